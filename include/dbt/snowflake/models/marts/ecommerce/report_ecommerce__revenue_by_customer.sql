with

orders as (

    select * from {{ ref('fct_ecommerce__orders') }}

),

customers as (

    select * from {{ ref('dim_ecommerce__customers') }}

),

ordered as (

    select
        customer_id,
        count(*)::number(38, 0) as orders,
        sum(quantity)::number(38, 0) as pieces,
        sum(revenue_usd)::number(18, 2) as revenue_usd,
        min(ordered_at) as first_ordered_at,
        max(ordered_at) as last_ordered_at
    from orders
    group by customer_id

),

-- an order may land before its customer
joined as (

    select
        ordered.customer_id,
        customers.name as customer_name,
        customers.city,
        customers.state,
        ordered.orders,
        ordered.pieces,
        ordered.revenue_usd,
        ordered.first_ordered_at,
        ordered.last_ordered_at
    from ordered
    left join customers on ordered.customer_id = customers.customer_id

)

select * from joined
