with

page_views as (

    select * from {{ ref('fct_eventsim__page_views') }}

),

sessions as (

    select * from {{ ref('fct_eventsim__sessions') }}

),

users as (

    select * from {{ ref('dim_eventsim__users') }}

),

songs as (

    select * from {{ ref('dim_eventsim__songs') }}

),

locations as (

    select * from {{ ref('dim_eventsim__locations') }}

),

-- a user has a row for each time of a level: the one that was valid then
joined as (

    select
        page_views.event_id,
        page_views.viewed_at,
        page_views.page,
        page_views.auth,
        page_views.level,
        page_views.http_status,
        page_views.session_id,
        page_views.item_in_session,
        sessions.started_at as session_started_at,
        sessions.page_views as session_page_views,
        page_views.user_id,
        users.first_name,
        users.last_name,
        users.gender,
        users.registered_at,
        songs.artist,
        songs.title,
        songs.duration_s,
        locations.city,
        locations.zip,
        locations.state,
        page_views.landed_at
    from page_views
    left join sessions on page_views.session_id = sessions.session_id
    left join users
        on page_views.user_id = users.user_id
        and page_views.viewed_at >= users.valid_from
        and (users.valid_to is null or page_views.viewed_at < users.valid_to)
    left join songs on page_views.song_id = songs.song_id
    left join locations on page_views.location_id = locations.location_id

)

select * from joined
