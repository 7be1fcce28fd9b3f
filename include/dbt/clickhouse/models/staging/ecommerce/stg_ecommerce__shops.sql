with

source as (

    {{ landed(source('ecommerce', 'shops')) }}

),

typed as (

    select
        -- ids
        event_id,
        id as shop_id,

        -- text
        name,
        city,
        state,
        zipcode as zip,

        -- times
        created_at as opened_at,

        -- provenance
        {{ provenance() }}

    from source

)

select * from typed
