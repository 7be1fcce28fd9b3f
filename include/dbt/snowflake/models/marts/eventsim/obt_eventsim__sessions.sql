with

sessions as (

    select * from {{ ref('fct_eventsim__sessions') }}

),

users as (

    select * from {{ ref('dim_eventsim__users') }}
    where is_current

),

locations as (

    select * from {{ ref('dim_eventsim__locations') }}

),

dates as (

    select * from {{ ref('dim_eventsim__dates') }}

),

joined as (

    select
        sessions.session_id,
        sessions.started_at,
        sessions.ended_at,
        sessions.duration_s,
        sessions.page_views,
        sessions.listens,
        sessions.listened_s,
        sessions.level_at_start,
        sessions.level_at_end,
        sessions.user_id,
        users.first_name,
        users.last_name,
        users.gender,
        users.registered_at,
        users.cancelled_at,
        locations.city,
        locations.zip,
        locations.state,
        dates.is_weekend as started_on_weekend,
        sessions.landed_at
    from sessions
    left join users on sessions.user_id = users.user_id
    left join locations on sessions.location_id = locations.location_id
    left join dates on sessions.started_at::date = dates.date_day

)

select * from joined
