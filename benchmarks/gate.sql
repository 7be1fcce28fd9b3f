-- What include/expectations/ecommerce.yml asks, by hand: for each expectation the rows that fail it.
with

orders as (

    select
        case when count(*) = 0 then 1 else 0 end as orders_have_landed,
        count(*) - count(distinct order_id) as order_ids_are_unique,
        count(case when quantity < 1 or quantity > 10 then 1 end) as quantities_are_from_1_to_10
    from staging.stg_ecommerce__orders

),

ordered as (

    select
        count(case when o.total_usd <> p.price_usd * o.quantity then 1 end) as order_totals_are_price_times_quantity,
        count(case when coalesce(p.event_id, '') = '' then 1 end) as orders_name_products_that_exist,
        count(case when coalesce(c.event_id, '') = '' then 1 end) as orders_name_customers_that_exist
    from staging.stg_ecommerce__orders o
    left join staging.stg_ecommerce__products p on p.product_id = o.product_id
    left join staging.stg_ecommerce__customers c on c.customer_id = o.customer_id

),

products as (

    select
        count(*) - count(distinct product_id) as product_ids_are_unique,
        count(case when price_usd < 0.01 then 1 end) as prices_are_positive
    from staging.stg_ecommerce__products

),

customers as (

    select
        count(*) - count(distinct customer_id) as customer_ids_are_unique,
        count(case when email not like '%_@_%' then 1 end) as customers_can_be_written_to
    from staging.stg_ecommerce__customers

),

shipments as (

    select
        count(case when s.status not in (0, 1, 2) then 1 end) as shipment_states_are_known,
        count(case when s.cost_usd < 0 then 1 end) as shipping_costs_are_not_negative,
        count(case when s.modified_at < o.ordered_at then 1 end) as shipments_follow_orders
    from staging.stg_ecommerce__shipments s
    left join staging.stg_ecommerce__orders o on o.order_id = s.order_id

)

select *
from orders
cross join ordered
cross join products
cross join customers
cross join shipments
