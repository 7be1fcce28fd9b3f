{{ config(order_by='(started_on, channel, country)') }}

with

sessions as (

    select * from {{ ref('fct_clickstream__sessions') }}

),

counted as (

    select
        toDate(started_at) as started_on,
        channel,
        coalesce(country, '(unknown)') as country,
        toInt64(count()) as sessions,
        toInt64(sum(events)) as events,
        toInt64(uniqExact(user_id)) as users,
        toInt64(countIf(has_order)) as sessions_with_order,
        toDecimal64(sum(revenue_usd), 2) as revenue_usd,
        avg(duration_s) as avg_duration_s,
        countIf(has_order) / count() as share_with_order
    from sessions
    group by started_on, channel, country

)

select * from counted
