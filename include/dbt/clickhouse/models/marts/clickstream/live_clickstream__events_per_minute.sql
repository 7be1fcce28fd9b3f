{{ config(materialized='view') }}

with

events as (

    select * from {{ ref('stg_clickstream__live_events') }}

),

-- a minute without events is there all the same
counted as (

    select
        toStartOfMinute(happened_at) as minute,
        toInt64(count()) as events,
        toInt64(uniqExact(session_id)) as active_sessions
    from events
    group by minute
    order by minute with fill step interval 1 minute

)

select * from counted
