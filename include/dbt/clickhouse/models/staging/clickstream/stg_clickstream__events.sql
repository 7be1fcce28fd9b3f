with

events as (

    select * from {{ ref('stg_clickstream__live_events') }}

),

-- staging, the gate and the marts of one run see the same rows, whatever lands meanwhile
seen as (

    select
        -- ids
        event_id,
        source_event_id,
        session_id,
        user_id,
        product_id,

        -- text
        event_name,
        channel,
        country,
        browser,
        os,
        device_family,
        brand,
        model,
        query,
        promo_code,
        order_status,

        -- numbers
        quantity,
        cart_pieces,
        cart_usd,

        -- times
        happened_at,

        -- provenance
        kafka_topic,
        kafka_partition,
        kafka_offset,
        produced_at,
        landed_at

    from events
    {%- if var('until_ms', none) is not none %}
    where toUnixTimestamp64Milli(landed_at) <= {{ var('until_ms') | int }}
    {%- endif %}

)

select * from seen
