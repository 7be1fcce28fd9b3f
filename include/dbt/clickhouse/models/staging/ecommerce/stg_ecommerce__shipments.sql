with

source as (

    {{ landed(source('ecommerce', 'shipments')) }}

),

typed as (

    select
        -- ids
        event_id,
        order_id,
        vendor_id,
        shipping_method_id,

        -- numbers
        revision_number,
        status,
        cost as cost_usd,

        -- times
        modified_at,

        -- provenance
        {{ provenance() }}

    from source

)

select * from typed
