with

source as (

    {{ landed(source('fashion', 'streaming_public_transactions'), also='row_id, lsn, ') }}

),

-- the row as it is after the change; of a deleted one as it was before; parsed once
parsed as (

    select
        *,
        JSONExtract(
            ifNull(after, ifNull(before, '')),
            'Tuple(
                customer_id Nullable(Int64),
                booking_id Nullable(String),
                session_id Nullable(String),
                payment_method Nullable(String),
                payment_status Nullable(String),
                promo_amount Nullable(Decimal(14, 2)),
                promo_code Nullable(String),
                shipment_fee Nullable(Decimal(14, 2)),
                shipment_location_lat Nullable(Float64),
                shipment_location_lon Nullable(Float64),
                total_amount Nullable(Decimal(14, 2)),
                product_id Nullable(Int64),
                quantity Nullable(Int64),
                item_price Nullable(Decimal(14, 2)),
                created_at Nullable(String)
            )'
        ) as image
    from source

),

typed as (

    select
        -- ids
        row_id as transaction_id,
        lsn,
        image.booking_id as booking_id,
        JSONExtract(ifNull(before, ''), 'booking_id', 'Nullable(String)') as previous_booking_id,
        image.session_id as session_id,
        image.customer_id as customer_id,
        image.product_id as product_id,

        -- text
        op as operation,
        image.payment_method as payment_method,
        image.payment_status as payment_status,
        image.promo_code as promo_code,

        -- numbers
        image.quantity as quantity,
        image.item_price as item_price_idr,
        image.promo_amount as promo_idr,
        image.shipment_fee as shipment_fee_idr,
        image.total_amount as total_idr,
        image.shipment_location_lat as shipment_lat,
        image.shipment_location_lon as shipment_lon,

        -- times
        parseDateTime64BestEffortOrNull(image.created_at, 3, 'UTC') as booked_at,
        fromUnixTimestamp64Milli(JSONExtractInt(source, 'ts_ms'), 'UTC') as changed_at,

        -- provenance
        {{ provenance() }}

    from parsed

)

select * from typed
