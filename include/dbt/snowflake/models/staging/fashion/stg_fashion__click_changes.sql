with

source as (

    select * from {{ source('fashion', 'streaming_public_clicks') }}
    where {{ conforms_streaming_public_clicks() }}
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
        try_cast(image:id::varchar as number(38, 0)) as click_id,
        try_cast(record_content:source.lsn::varchar as number(38, 0)) as lsn,
        image:event_id::varchar as event_id,
        image:session_id::varchar as session_id,
        record_content:before.session_id::varchar as previous_session_id,
        try_cast(image:product_id::varchar as number(38, 0)) as product_id,

        -- text
        record_content:op::varchar as operation,
        image:event_name::varchar as event_name,
        image:traffic_source::varchar as traffic_source,
        image:payment_status::varchar as payment_status,
        image:search_keywords::varchar as search_keywords,
        image:promo_code::varchar as promo_code,

        -- numbers
        try_cast(image:quantity::varchar as number(38, 0)) as quantity,
        try_cast(image:item_price::varchar as number(14, 2)) as item_price_idr,
        try_cast(image:promo_amount::varchar as number(14, 2)) as promo_idr,

        -- times
        try_cast(image:created_at::varchar as timestamp_ntz)::timestamp_ntz(3) as clicked_at,
        to_timestamp_ntz(try_cast(record_content:source.ts_ms::varchar as number(38, 0)), 3)::timestamp_ntz(3) as changed_at,

        -- provenance
        {{ provenance() }}

    from imaged

),

deduplicated as (

    select *
    from typed
    qualify row_number() over (partition by click_id, lsn order by kafka_offset desc, landed_at) = 1

)

select * from deduplicated
