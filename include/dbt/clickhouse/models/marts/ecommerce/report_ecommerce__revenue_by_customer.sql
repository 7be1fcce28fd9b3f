{{ config(order_by='customer_id') }}

with

orders as (

    select * from {{ ref('fct_ecommerce__orders') }}

),

-- nullable: an order may land before its customer
customers as (

    select
        customer_id,
        toNullable(name) as customer_name,
        toNullable(city) as city,
        toNullable(state) as state
    from {{ ref('dim_ecommerce__customers') }}

),

ordered as (

    select
        customer_id,
        toInt64(count()) as orders,
        sum(quantity) as pieces,
        cast(sum(revenue_usd) as Decimal(18, 2)) as revenue_usd,
        min(ordered_at) as first_ordered_at,
        max(ordered_at) as last_ordered_at
    from orders
    group by customer_id

),

joined as (

    select
        ordered.customer_id as customer_id,
        customers.customer_name as customer_name,
        customers.city as city,
        customers.state as state,
        ordered.orders as orders,
        ordered.pieces as pieces,
        ordered.revenue_usd as revenue_usd,
        ordered.first_ordered_at as first_ordered_at,
        ordered.last_ordered_at as last_ordered_at
    from ordered
    left join customers on ordered.customer_id = customers.customer_id

)

select * from joined
