with

source as (

    select * from {{ source('ecommerce', 'shipments') }}
    where {{ conforms_shipments() }}
    {{ and_landed() }}

),

typed as (

    select
        -- ids
        record_content:event_id::varchar as event_id,
        record_content:order_id::varchar as order_id,
        record_content:vendor_id::number(38, 0) as vendor_id,
        record_content:shipping_method_id::number(38, 0) as shipping_method_id,

        -- numbers
        record_content:revision_number::number(38, 0) as revision_number,
        record_content:status::number(38, 0) as status,
        record_content:cost::number(12, 2) as cost_usd,

        -- times
        record_content:modified_at::varchar::timestamp_ntz(3) as modified_at,

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
