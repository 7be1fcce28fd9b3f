with

source as (

    select * from {{ source('fashion', 'streaming_public_transactions') }}
    where {{ conforms_streaming_public_transactions() }}
    {{ and_landed() }}

),

-- the row as it is after the change; of a deleted one as it was before
imaged as (

    select
        record_metadata,
        record_content,
        iff(record_content:op::varchar = 'd', record_content:before, record_content:after) as image
    from source

),

-- no sink looks inside a row: what is not of its type is null, and one such record breaks no run
typed as (

    select
        -- ids
        try_cast(image:id::varchar as number(38, 0)) as transaction_id,
        try_cast(record_content:source.lsn::varchar as number(38, 0)) as lsn,
        image:booking_id::varchar as booking_id,
        record_content:before.booking_id::varchar as previous_booking_id,
        image:session_id::varchar as session_id,
        try_cast(image:customer_id::varchar as number(38, 0)) as customer_id,
        try_cast(image:product_id::varchar as number(38, 0)) as product_id,

        -- text
        record_content:op::varchar as operation,
        image:payment_method::varchar as payment_method,
        image:payment_status::varchar as payment_status,
        image:promo_code::varchar as promo_code,

        -- numbers
        try_cast(image:quantity::varchar as number(38, 0)) as quantity,
        try_cast(image:item_price::varchar as number(14, 2)) as item_price_idr,
        try_cast(image:promo_amount::varchar as number(14, 2)) as promo_idr,
        try_cast(image:shipment_fee::varchar as number(14, 2)) as shipment_fee_idr,
        try_cast(image:total_amount::varchar as number(14, 2)) as total_idr,
        try_cast(image:shipment_location_lat::varchar as float) as shipment_lat,
        try_cast(image:shipment_location_lon::varchar as float) as shipment_lon,

        -- times
        try_cast(image:created_at::varchar as timestamp_ntz)::timestamp_ntz(3) as booked_at,
        to_timestamp_ntz(try_cast(record_content:source.ts_ms::varchar as number(38, 0)), 3)::timestamp_ntz(3) as changed_at,

        -- provenance
        {{ provenance() }}

    from imaged

),

deduplicated as (

    select *
    from typed
    qualify row_number() over (partition by transaction_id, lsn order by kafka_offset desc, landed_at) = 1

)

select * from deduplicated
