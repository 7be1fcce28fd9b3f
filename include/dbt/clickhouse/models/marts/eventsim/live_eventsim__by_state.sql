{{ config(materialized='view') }}

{# Read from the landing table itself, so that it shows what has landed this second, gated or not. #}
with

page_views as (

    select
        event_id,
        sessionId as session_id,
        userId as user_id,
        page,
        state,
        fromUnixTimestamp64Milli(ts, 'UTC') as happened_at
    from {{ source('eventsim', 'page_view_events') }}
    where ts > (select max(ts) from {{ source('eventsim', 'page_view_events') }}) - 24 * 3600000
    order by event_id, _offset desc
    limit 1 by event_id

),

counted as (

    select
        state,
        toInt64(count()) as page_views,
        toInt64(countIf(page = 'NextSong')) as listens,
        toInt64(uniqExact(session_id)) as sessions,
        toInt64(uniqExact(user_id)) as users
    from page_views
    group by state

)

select * from counted
