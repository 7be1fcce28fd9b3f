with

source as (

    {{ landed(source('fashion', 'streaming_public_clicks'), also='row_id, lsn, ') }}

),

-- the row as it is after the change; of a deleted one as it was before; parsed once
parsed as (

    select
        *,
        JSONExtract(
            ifNull(after, ifNull(before, '')),
            'Tuple(
                session_id Nullable(String),
                event_name Nullable(String),
                event_id Nullable(String),
                traffic_source Nullable(String),
                product_id Nullable(Int64),
                quantity Nullable(Int64),
                item_price Nullable(Decimal(14, 2)),
                payment_status Nullable(String),
                search_keywords Nullable(String),
                promo_code Nullable(String),
                promo_amount Nullable(Decimal(14, 2)),
                created_at Nullable(String)
            )'
        ) as image
    from source

),

typed as (

    select
        -- ids
        row_id as click_id,
        lsn,
        image.event_id as event_id,
        image.session_id as session_id,
        JSONExtract(ifNull(before, ''), 'session_id', 'Nullable(String)') as previous_session_id,
        image.product_id as product_id,

        -- text
        op as operation,
        image.event_name as event_name,
        image.traffic_source as traffic_source,
        image.payment_status as payment_status,
        image.search_keywords as search_keywords,
        image.promo_code as promo_code,

        -- numbers
        image.quantity as quantity,
        image.item_price as item_price_idr,
        image.promo_amount as promo_idr,

        -- times
        parseDateTime64BestEffortOrNull(image.created_at, 3, 'UTC') as clicked_at,
        fromUnixTimestamp64Milli(JSONExtractInt(source, 'ts_ms'), 'UTC') as changed_at,

        -- provenance
        {{ provenance() }}

    from parsed

)

select * from typed
