{{ config(order_by='category') }}

with

orders as (

    select * from {{ ref('fct_ecommerce__orders') }}

),

products as (

    select
        product_id,
        toNullable(category) as category
    from {{ ref('dim_ecommerce__products') }}

),

-- an order whose product has not landed yet still counts
categorised as (

    select
        ifNull(products.category, '(unknown)') as category,
        orders.quantity as quantity,
        orders.revenue_usd as revenue_usd
    from orders
    left join products on orders.product_id = products.product_id

),

summed as (

    select
        category,
        toInt64(count()) as orders,
        sum(quantity) as pieces,
        cast(sum(revenue_usd) as Decimal(18, 2)) as revenue_usd
    from categorised
    group by category

)

select * from summed
