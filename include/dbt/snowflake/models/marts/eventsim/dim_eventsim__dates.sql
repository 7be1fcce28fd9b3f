with

page_views as (

    select * from {{ ref('fct_eventsim__page_views') }}

),

grouped as (

    select
        viewed_at::date as date_day,
        year(viewed_at::date)::number(38, 0) as year,
        month(viewed_at::date)::number(38, 0) as month,
        day(viewed_at::date)::number(38, 0) as day_of_month,
        dayofweekiso(viewed_at::date)::number(38, 0) as day_of_week,
        dayofweekiso(viewed_at::date) >= 6 as is_weekend
    from page_views
    group by viewed_at::date

)

select * from grouped
