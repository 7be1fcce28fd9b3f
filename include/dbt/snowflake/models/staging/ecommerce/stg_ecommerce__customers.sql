with

source as (

    select * from {{ source('ecommerce', 'customers') }}
    where {{ conforms_customers() }}
    {{ and_landed() }}

),

typed as (

    select
        -- ids
        record_content:event_id::varchar as event_id,
        record_content:id::number(38, 0) as customer_id,

        -- text
        record_content:name::varchar as name,
        record_content:email::varchar as email,
        record_content:address::varchar as address,
        record_content:city::varchar as city,
        record_content:state::varchar as state,
        record_content:zipcode::varchar as zip,

        -- times
        record_content:created_at::varchar::timestamp_ntz(3) as registered_at,

        -- provenance
        {{ provenance() }}

    from source

),

deduplicated as (

    select *
    from typed
    qualify row_number() over (partition by event_id order by kafka_offset desc, landed_at) = 1

)

select * from deduplicated
