{{ config(materialized='view') }}

with

events as (

    select * from {{ ref('stg_clickstream__live_events') }}

),

named as (

    select
        toDate(happened_at) as happened_on,
        channel as name,
        session_id
    from events

),

counted as (

    select
        happened_on,
        name as channel,
        toInt64(count()) as events,
        toInt64(uniqExact(session_id)) as sessions
    from named
    group by happened_on, name

)

select * from counted
