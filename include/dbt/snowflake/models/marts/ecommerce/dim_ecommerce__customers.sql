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
    qualify row_number() over (partition by customer_id order by kafka_offset desc) = 1

)

select * from latest
