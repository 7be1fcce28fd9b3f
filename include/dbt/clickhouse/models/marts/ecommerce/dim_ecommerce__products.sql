{{ config(order_by='product_id') }}

with

products as (

    select * from {{ ref('stg_ecommerce__products') }}
    order by product_id, kafka_offset desc
    limit 1 by product_id

),

shops as (

    -- nullable: a product may land before its shop
    select
        shop_id,
        toNullable(name) as shop_name,
        toNullable(city) as shop_city,
        toNullable(state) as shop_state
    from {{ ref('stg_ecommerce__shops') }}
    order by shop_id, kafka_offset desc
    limit 1 by shop_id

),

joined as (

    select
        products.product_id as product_id,
        products.title as title,
        products.category as category,
        products.vendor as vendor,
        products.description as description,
        products.color as color,
        products.size as size,
        products.material as material,
        products.price_usd as price_usd,
        products.listed_at as listed_at,
        products.shop_id as shop_id,
        shops.shop_name as shop_name,
        shops.shop_city as shop_city,
        shops.shop_state as shop_state,
        products.landed_at as landed_at
    from products
    left join shops on products.shop_id = shops.shop_id

)

select * from joined
