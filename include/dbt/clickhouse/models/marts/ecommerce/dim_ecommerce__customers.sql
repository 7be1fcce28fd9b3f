{{ config(order_by='customer_id') }}

with

customers as (

    select * from {{ ref('stg_ecommerce__customers') }}

),

latest as (

    select
        customer_id,
        name,
        email,
        address,
        city,
        state,
        zip,
        registered_at,
        landed_at
    from customers
    order by customer_id, kafka_offset desc
    limit 1 by customer_id

)

select * from latest
