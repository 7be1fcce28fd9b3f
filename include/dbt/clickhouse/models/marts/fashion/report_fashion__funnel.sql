{{ config(order_by='(traffic_source, step_number)') }}

with

sessions as (

    select * from {{ ref('fct_fashion__sessions') }}

),

-- each session once a step, whether it got there or not
stepped as (

    select
        traffic_source,
        funnel_steps,
        toInt64(reached.1) as step_number,
        reached.2 as step
    from sessions
    array join [(1, 'HOMEPAGE'), (2, 'ITEM_DETAIL'), (3, 'ADD_TO_CART'), (4, 'BOOKING')] as reached

),

counted as (

    select
        traffic_source,
        step_number,
        step,
        toInt64(countIf(funnel_steps >= step_number)) as sessions,
        toInt64(countIf(funnel_steps >= 1)) as homepage_sessions
    from stepped
    group by traffic_source, step_number, step

),

compared as (

    select
        traffic_source,
        step_number,
        step,
        sessions,
        if(homepage_sessions = 0, 0, sessions / homepage_sessions) as share_of_homepage
    from counted

)

select * from compared
