with

page_views as (

    select * from {{ ref('fct_eventsim__page_views') }}

),

grouped as (

    select
        location_id,
        city,
        zip,
        state,
        max(lat) as lat,
        max(lon) as lon
    from page_views
    group by location_id, city, zip, state

)

select * from grouped
