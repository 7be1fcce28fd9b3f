with

source as (

    select * from {{ source('clickstream', 'clickstream_enriched') }} final

),

typed as (

    select
        -- ids
        event_id,
        source_event_id,
        session_id,
        nullIf(user_id, 0) as user_id,
        JSONExtract(metadata, 'product_id', 'Nullable(Int64)') as product_id,

        -- text
        event_name,
        channel,
        country,
        browser,
        os,
        family as device_family,
        brand,
        model,
        query,
        JSONExtract(metadata, 'promo_code', 'Nullable(String)') as promo_code,
        JSONExtract(metadata, 'status', 'Nullable(String)') as order_status,

        -- numbers
        JSONExtract(metadata, 'quantity', 'Nullable(Int64)') as quantity,
        JSONExtract(metadata, 'cart_items', 'Nullable(Int64)') as cart_pieces,
        JSONExtract(metadata, 'total_amount', 'Nullable(Decimal(12, 2))') as cart_usd,

        -- times
        event_time as happened_at,

        -- provenance
        {{ provenance() }}

    from source

)

select * from typed
