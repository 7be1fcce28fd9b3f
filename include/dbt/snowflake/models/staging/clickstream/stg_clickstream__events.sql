with

source as (

    select * from {{ source('clickstream', 'clickstream_enriched') }}
    where {{ conforms_clickstream_enriched() }}
    {{ and_landed() }}

),

-- no sink looks inside the metadata: what is not of its type is null, and one such record breaks no run
typed as (

    select
        -- ids
        record_content:event_id::varchar as event_id,
        record_content:source_event_id::varchar as source_event_id,
        record_content:session_id::varchar as session_id,
        nullif(record_content:user_id::number(38, 0), 0) as user_id,
        try_cast(record_content:metadata.product_id::varchar as number(38, 0)) as product_id,

        -- text
        record_content:event_name::varchar as event_name,
        record_content:channel::varchar as channel,
        record_content:country::varchar as country,
        record_content:browser::varchar as browser,
        record_content:os::varchar as os,
        record_content:family::varchar as device_family,
        record_content:brand::varchar as brand,
        record_content:model::varchar as model,
        record_content:query::varchar as query,
        record_content:metadata.promo_code::varchar as promo_code,
        record_content:metadata.status::varchar as order_status,

        -- numbers
        try_cast(record_content:metadata.quantity::varchar as number(38, 0)) as quantity,
        try_cast(record_content:metadata.cart_items::varchar as number(38, 0)) as cart_pieces,
        try_cast(record_content:metadata.total_amount::varchar as number(12, 2)) as cart_usd,

        -- times
        record_content:event_time::varchar::timestamp_ntz(3) as happened_at,

        -- provenance
        {{ provenance() }}

    from source

),

deduplicated as (

    select *
    from typed
    qualify row_number() over (partition by event_id order by kafka_offset desc, landed_at) = 1

)

select * from deduplicated
