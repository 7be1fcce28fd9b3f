{{ config(order_by='(ordered_at, order_id)') }}

with

orders as (

    select * from {{ ref('fct_ecommerce__orders') }}

),

-- nullable: an order may land before what it refers to
customers as (

    select
        customer_id,
        toNullable(name) as customer_name,
        toNullable(city) as customer_city,
        toNullable(state) as customer_state
    from {{ ref('dim_ecommerce__customers') }}

),

products as (

    select
        product_id,
        toNullable(title) as product_title,
        toNullable(category) as category,
        toNullable(vendor) as vendor,
        toNullable(price_usd) as price_usd,
        toNullable(shop_id) as shop_id,
        shop_name
    from {{ ref('dim_ecommerce__products') }}

),

shipments as (

    select
        order_id,
        toNullable(status) as shipment_status,
        toNullable(cost_usd) as shipment_cost_usd,
        shipped_at,
        dispatched_at,
        completed_at,
        dispatch_delay_s,
        completion_delay_s
    from {{ ref('dim_ecommerce__shipments') }}

),

joined as (

    select
        orders.order_id as order_id,
        orders.ordered_at as ordered_at,
        orders.quantity as quantity,
        orders.revenue_usd as revenue_usd,
        orders.product_id as product_id,
        products.product_title as product_title,
        products.category as category,
        products.vendor as vendor,
        products.price_usd as price_usd,
        products.shop_id as shop_id,
        products.shop_name as shop_name,
        orders.customer_id as customer_id,
        customers.customer_name as customer_name,
        customers.customer_city as customer_city,
        customers.customer_state as customer_state,
        shipments.shipment_status as shipment_status,
        shipments.shipment_cost_usd as shipment_cost_usd,
        shipments.shipped_at as shipped_at,
        shipments.dispatched_at as dispatched_at,
        shipments.completed_at as completed_at,
        shipments.dispatch_delay_s as dispatch_delay_s,
        shipments.completion_delay_s as completion_delay_s,
        orders.landed_at as landed_at
    from orders
    left join products on orders.product_id = products.product_id
    left join customers on orders.customer_id = customers.customer_id
    left join shipments on orders.order_id = shipments.order_id

)

select * from joined
