with

orders as (

    select * from {{ ref('fct_ecommerce__orders') }}

),

products as (

    select * from {{ ref('dim_ecommerce__products') }}

),

-- an order whose product has not landed yet still counts
categorised as (

    select
        coalesce(products.category, '(unknown)') as category,
        orders.quantity,
        orders.revenue_usd
    from orders
    left join products on orders.product_id = products.product_id

),

summed as (

    select
        category,
        count(*)::number(38, 0) as orders,
        sum(quantity)::number(38, 0) as pieces,
        sum(revenue_usd)::number(18, 2) as revenue_usd
    from categorised
    group by category

)

select * from summed
