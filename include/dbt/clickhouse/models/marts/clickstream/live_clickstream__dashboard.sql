{{ config(materialized='view') }}

with

events as (

    select * from {{ ref('stg_clickstream__live_events') }}

),

newest as (

    select max(happened_at) as as_of from events having count() > 0

),

sessions as (

    select
        session_id,
        min(happened_at) as started_at,
        max(happened_at) as ended_at,
        countIf(event_name = 'CompleteOrder' and order_status = 'Success') > 0 as has_order
    from events
    group by session_id

),

figures as (

    select
        as_of,
        toInt64(countIf(ended_at > as_of - interval 5 minute)) as active_sessions,
        toInt64(count()) as sessions,
        toInt64(countIf(has_order)) as sessions_with_order,
        avg(intDiv(dateDiff('millisecond', started_at, ended_at), 1000)) as avg_duration_s,
        countIf(has_order) / count() as share_with_order
    from sessions
    cross join newest
    where ended_at > as_of - interval 24 hour
    group by as_of

)

select * from figures
