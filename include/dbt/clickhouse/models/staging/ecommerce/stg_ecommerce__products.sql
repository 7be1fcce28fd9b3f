with

source as (

    {{ landed(source('ecommerce', 'products')) }}

),

typed as (

    select
        -- ids
        event_id,
        id as product_id,
        shop_id,

        -- text
        title,
        category,
        vendor,
        description,
        color,
        size,
        material,

        -- numbers
        price as price_usd,

        -- times
        created_at as listed_at,

        -- provenance
        {{ provenance() }}

    from source

)

select * from typed
