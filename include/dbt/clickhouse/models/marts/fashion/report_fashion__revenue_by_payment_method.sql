{{ config(order_by='(booked_on, payment_method)') }}

with

bookings as (

    select * from {{ ref('fct_fashion__bookings') }}

),

summed as (

    select
        toDate(booked_at) as booked_on,
        payment_method,
        toInt64(count()) as bookings,
        toInt64(countIf(is_paid)) as paid_bookings,
        toInt64(countIf(not is_paid)) as failed_bookings,
        cast(sumIf(total_idr, is_paid) as Decimal(18, 2)) as revenue_idr,
        cast(sumIf(total_idr, not is_paid) as Decimal(18, 2)) as failed_idr
    from bookings
    group by booked_on, payment_method

)

select * from summed
