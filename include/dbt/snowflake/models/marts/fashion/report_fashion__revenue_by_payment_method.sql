with

bookings as (

    select * from {{ ref('fct_fashion__bookings') }}

),

summed as (

    select
        booked_at::date as booked_on,
        payment_method,
        count(*)::number(38, 0) as bookings,
        count_if(is_paid)::number(38, 0) as paid_bookings,
        count_if(not is_paid)::number(38, 0) as failed_bookings,
        sum(case when is_paid then total_idr else 0 end)::number(18, 2) as revenue_idr,
        sum(case when is_paid then 0 else total_idr end)::number(18, 2) as failed_idr
    from bookings
    group by booked_on, payment_method

)

select * from summed
