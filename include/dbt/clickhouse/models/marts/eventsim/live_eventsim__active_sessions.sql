{{ config(materialized='view') }}

{# Read from the landing table itself, so that it shows what has landed this second, gated or not. #}
with

page_views as (

    select
        event_id,
        sessionId as session_id,
        userId as user_id,
        level,
        fromUnixTimestamp64Milli(ts, 'UTC') as happened_at
    from {{ source('eventsim', 'page_view_events') }}
    where ts > (select max(ts) from {{ source('eventsim', 'page_view_events') }}) - 27 * 3600000
    order by event_id, _offset desc
    limit 1 by event_id

),

-- every minute up to that of the newest page, whether anything happened in it or not
minutes as (

    select toStartOfMinute(fromUnixTimestamp64Milli(newest, 'UTC')) - toIntervalMinute(number) as minute
    from (select max(ts) as newest, count() as found from {{ source('eventsim', 'page_view_events') }}) as newest_page
    cross join numbers({{ var('live_minutes', 180) }}) as back
    where found > 0

),

-- a session is active in every minute from that of its first page to that of its last
sessions as (

    select
        session_id,
        max(user_id) as user_id,
        max(level = 'paid') as is_paid,
        toStartOfMinute(toDateTime(min(happened_at), 'UTC')) as first_minute,
        toStartOfMinute(toDateTime(max(happened_at), 'UTC')) as last_minute
    from page_views
    group by session_id

),

spread as (

    select
        session_id,
        user_id,
        is_paid,
        toDateTime(arrayJoin(range(toUInt32(first_minute), toUInt32(last_minute) + 60, 60)), 'UTC') as minute
    from sessions

),

counted as (

    select
        minute,
        uniqExact(session_id) as active_sessions,
        uniqExactIf(session_id, is_paid) as paid_sessions,
        uniqExact(user_id) as active_users
    from spread
    group by minute

),

filled as (

    select
        toDateTime(minutes.minute, 'UTC') as minute,
        toInt64(counted.active_sessions) as active_sessions,
        toInt64(counted.paid_sessions) as paid_sessions,
        toInt64(counted.active_users) as active_users
    from minutes
    left join counted on minutes.minute = counted.minute

)

select * from filled
