{{ config(order_by='(ordered_on, shipping_method_id)') }}

with

shipments as (

    select * from {{ ref('dim_ecommerce__shipments') }}

),

-- a shipment whose order has not landed yet has no delay to speak of
dated as (

    select
        assumeNotNull(toDate(ordered_at)) as ordered_on,
        shipping_method_id,
        dispatch_delay_s,
        completion_delay_s
    from shipments
    where ordered_at is not null

),

averaged as (

    select
        ordered_on,
        shipping_method_id,
        toInt64(count()) as shipped,
        toInt64(count(dispatch_delay_s)) as dispatched,
        toInt64(count(completion_delay_s)) as completed,
        avg(dispatch_delay_s) as avg_dispatch_delay_s,
        max(dispatch_delay_s) as max_dispatch_delay_s,
        avg(completion_delay_s) as avg_completion_delay_s,
        max(completion_delay_s) as max_completion_delay_s
    from dated
    group by ordered_on, shipping_method_id

)

select * from averaged
