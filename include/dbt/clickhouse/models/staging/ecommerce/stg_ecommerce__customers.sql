with

source as (

    {{ landed(source('ecommerce', 'customers')) }}

),

typed as (

    select
        -- ids
        event_id,
        id as customer_id,

        -- text
        name,
        email,
        address,
        city,
        state,
        zipcode as zip,

        -- times
        created_at as registered_at,

        -- provenance
        {{ provenance() }}

    from source

)

select * from typed
