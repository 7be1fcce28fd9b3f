{{ config(materialized='view') }}

{# Read from the landing table itself, so that it shows what has landed this second, gated or not. #}
with

page_views as (

    select
        event_id,
        userId as user_id,
        level,
        fromUnixTimestamp64Milli(ts, 'UTC') as happened_at
    from {{ source('eventsim', 'page_view_events') }}
    where ts > (select max(ts) from {{ source('eventsim', 'page_view_events') }}) - 24 * 3600000
    order by event_id, _offset desc
    limit 1 by event_id

),

counted as (

    select
        toStartOfHour(toDateTime(happened_at, 'UTC')) as hour,
        toInt64(uniqExact(user_id)) as users,
        toInt64(uniqExactIf(user_id, level = 'paid')) as paid_users
    from page_views
    group by hour

),

shared as (

    select
        hour,
        users,
        paid_users,
        if(users = 0, 0, paid_users / users) as paid_share
    from counted

)

select * from shared
