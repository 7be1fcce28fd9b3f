with

shipments as (

    select * from {{ ref('dim_ecommerce__shipments') }}

),

-- a shipment whose order has not landed yet has no delay to speak of
dated as (

    select
        ordered_at::date as ordered_on,
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
        count(*)::number(38, 0) as shipped,
        count(dispatch_delay_s)::number(38, 0) as dispatched,
        count(completion_delay_s)::number(38, 0) as completed,
        avg(dispatch_delay_s::float) as avg_dispatch_delay_s,
        max(dispatch_delay_s) as max_dispatch_delay_s,
        avg(completion_delay_s::float) as avg_completion_delay_s,
        max(completion_delay_s) as max_completion_delay_s
    from dated
    group by ordered_on, shipping_method_id

)

select * from averaged
