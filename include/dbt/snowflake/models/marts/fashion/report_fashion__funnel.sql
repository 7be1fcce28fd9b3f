with

sessions as (

    select * from {{ ref('fct_fashion__sessions') }}

),

steps as (

    select
        column1::number(38, 0) as step_number,
        column2::varchar as step
    from values (1, 'HOMEPAGE'), (2, 'ITEM_DETAIL'), (3, 'ADD_TO_CART'), (4, 'BOOKING')

),

-- each session once a step, whether it got there or not
counted as (

    select
        sessions.traffic_source,
        steps.step_number,
        steps.step,
        count_if(sessions.funnel_steps >= steps.step_number)::number(38, 0) as sessions,
        count_if(sessions.funnel_steps >= 1)::number(38, 0) as homepage_sessions
    from sessions
    cross join steps
    group by sessions.traffic_source, steps.step_number, steps.step

),

compared as (

    select
        traffic_source,
        step_number,
        step,
        sessions,
        coalesce(sessions::float / nullif(homepage_sessions, 0)::float, 0::float) as share_of_homepage
    from counted

)

select * from compared
