with

source as (

    {{ landed(source('eventsim', 'listen_events')) }}

),

typed as (

    select
        -- ids
        event_id,
        sessionId as session_id,
        userId as user_id,

        -- text
        firstName as first_name,
        lastName as last_name,
        gender,
        level,
        city,
        zip,
        state,
        userAgent as user_agent,
        auth,
        artist,
        song,

        -- numbers
        itemInSession as item_in_session,
        lat,
        lon,
        duration as duration_s,

        -- times, which come in milliseconds
        fromUnixTimestamp64Milli(registration, 'UTC') as registered_at,
        fromUnixTimestamp64Milli(ts, 'UTC') as listened_at,

        -- provenance
        {{ provenance() }}

    from source

)

select * from typed
