with

page_views as (

    select * from {{ ref('stg_eventsim__page_views') }}

),

grouped as (

    select
        {{ key_of(['city', 'zip', 'state']) }} as location_id,
        city,
        zip,
        state,
        max(lat) as lat,
        max(lon) as lon
    from page_views
    group by city, zip, state

)

select * from grouped
