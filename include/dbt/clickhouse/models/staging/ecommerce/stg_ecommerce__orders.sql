with

source as (

    {{ landed(source('ecommerce', 'orders')) }}

),

typed as (

    select
        -- ids
        event_id,
        id as order_id,
        product_id,
        customer_id,

        -- numbers
        quantity,
        total_price as total_usd,

        -- times
        created_at as ordered_at,

        -- provenance
        {{ provenance() }}

    from source

)

select * from typed
