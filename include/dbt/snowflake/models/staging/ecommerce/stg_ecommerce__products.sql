with

source as (

    select * from {{ source('ecommerce', 'products') }}
    where {{ conforms_products() }}
    {{ and_landed() }}

),

typed as (

    select
        -- ids
        record_content:event_id::varchar as event_id,
        record_content:id::number(38, 0) as product_id,
        record_content:shop_id::number(38, 0) as shop_id,

        -- text
        record_content:title::varchar as title,
        record_content:category::varchar as category,
        record_content:vendor::varchar as vendor,
        record_content:description::varchar as description,
        record_content:color::varchar as color,
        record_content:size::varchar as size,
        record_content:material::varchar as material,

        -- numbers
        record_content:price::number(12, 2) as price_usd,

        -- times
        record_content:created_at::varchar::timestamp_ntz(3) as listed_at,

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
