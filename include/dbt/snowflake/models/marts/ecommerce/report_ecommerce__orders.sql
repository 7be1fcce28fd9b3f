with

orders as (

    select * from {{ ref('fct_ecommerce__orders') }}

),

customers as (

    select * from {{ ref('dim_ecommerce__customers') }}

),

products as (

    select * from {{ ref('dim_ecommerce__products') }}

),

shipments as (

    select * from {{ ref('dim_ecommerce__shipments') }}

),

-- an order may land before what it refers to
joined as (

    select
        orders.order_id,
        orders.ordered_at,
        orders.quantity,
        orders.revenue_usd,
        orders.product_id,
        products.title as product_title,
        products.category,
        products.vendor,
        products.price_usd,
        products.shop_id,
        products.shop_name,
        orders.customer_id,
        customers.name as customer_name,
        customers.city as customer_city,
        customers.state as customer_state,
        shipments.status as shipment_status,
        shipments.cost_usd as shipment_cost_usd,
        shipments.shipped_at,
        shipments.dispatched_at,
        shipments.completed_at,
        shipments.dispatch_delay_s,
        shipments.completion_delay_s,
        orders.landed_at
    from orders
    left join products on orders.product_id = products.product_id
    left join customers on orders.customer_id = customers.customer_id
    left join shipments on orders.order_id = shipments.order_id

)

select * from joined
