with

products as (

    select * from {{ ref('stg_ecommerce__products') }}
    qualify row_number() over (partition by product_id order by kafka_offset desc) = 1

),

shops as (

    select * from {{ ref('stg_ecommerce__shops') }}
    qualify row_number() over (partition by shop_id order by kafka_offset desc) = 1

),

-- a product may land before its shop
joined as (

    select
        products.product_id,
        products.title,
        products.category,
        products.vendor,
        products.description,
        products.color,
        products.size,
        products.material,
        products.price_usd,
        products.listed_at,
        products.shop_id,
        shops.name as shop_name,
        shops.city as shop_city,
        shops.state as shop_state,
        products.landed_at
    from products
    left join shops on products.shop_id = shops.shop_id

)

select * from joined
