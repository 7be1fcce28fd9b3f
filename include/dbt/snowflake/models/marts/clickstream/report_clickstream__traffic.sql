with

sessions as (

    select * from {{ ref('fct_clickstream__sessions') }}

),

counted as (

    select
        started_at::date as started_on,
        channel,
        coalesce(country, '(unknown)') as country,
        count(*)::number(38, 0) as sessions,
        sum(events)::number(38, 0) as events,
        count(distinct user_id)::number(38, 0) as users,
        count_if(has_order)::number(38, 0) as sessions_with_order,
        sum(revenue_usd)::number(18, 2) as revenue_usd,
        avg(duration_s)::float as avg_duration_s,
        (count_if(has_order) / count(*))::float as share_with_order
    from sessions
    group by 1, 2, 3

)

select * from counted
