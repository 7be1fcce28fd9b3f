{{ config(materialized='view') }}

{# Read from the landing table itself, so that it shows what has landed this second, gated or not. #}
with

listens as (

    select
        event_id,
        userId as user_id,
        artist,
        song,
        fromUnixTimestamp64Milli(ts, 'UTC') as happened_at
    from {{ source('eventsim', 'listen_events') }}
    where ts > (select max(ts) from {{ source('eventsim', 'page_view_events') }}) - 24 * 3600000
    order by event_id, _offset desc
    limit 1 by event_id

),

-- every minute up to that of the newest page, whether anything happened in it or not
minutes as (

    select toStartOfMinute(fromUnixTimestamp64Milli(newest, 'UTC')) - toIntervalMinute(number) as minute
    from (select max(ts) as newest, count() as found from {{ source('eventsim', 'page_view_events') }}) as newest_page
    cross join numbers({{ var('live_minutes', 1440) }}) as back
    where found > 0

),

counted as (

    select
        toStartOfMinute(toDateTime(happened_at, 'UTC')) as minute,
        count() as listens,
        uniqExact(user_id) as listeners,
        uniqExact(artist, song) as songs
    from listens
    group by minute

),

filled as (

    select
        toDateTime(minutes.minute, 'UTC') as minute,
        toInt64(counted.listens) as listens,
        toInt64(counted.listeners) as listeners,
        toInt64(counted.songs) as songs
    from minutes
    left join counted on minutes.minute = counted.minute

)

select * from filled
