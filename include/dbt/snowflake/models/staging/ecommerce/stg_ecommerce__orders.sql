with

source as (

    select * from {{ source('ecommerce', 'orders') }}
    where {{ conforms_orders() }}
    {{ and_landed() }}

),

typed as (

    select
        -- ids
        record_content:event_id::varchar as event_id,
        record_content:id::varchar as order_id,
        record_content:product_id::number(38, 0) as product_id,
        record_content:customer_id::number(38, 0) as customer_id,

        -- numbers
        record_content:quantity::number(38, 0) as quantity,
        record_content:total_price::number(12, 2) as total_usd,

        -- times
        record_content:created_at::varchar::timestamp_ntz(3) as ordered_at,

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
