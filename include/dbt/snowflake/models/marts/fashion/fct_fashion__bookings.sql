{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='booking_id',
        on_schema_change='fail',
        pre_hook="{{ forget_emptied(ref('stg_fashion__transaction_changes'), ref('stg_fashion__transactions'), 'booking_id', 'previous_booking_id') }}",
    )
}}

with

line_items as (

    select * from {{ ref('stg_fashion__transactions') }}

),

{% if is_incremental() %}

-- a line item that moved to another booking changed both
changed as (

    select booking_id from {{ ref('stg_fashion__transaction_changes') }} where {{ landed_lately() }}
    union
    select previous_booking_id from {{ ref('stg_fashion__transaction_changes') }} where {{ landed_lately() }}

),

{% endif %}

ranked as (

    select
        *,
        row_number() over (partition by booking_id order by lsn desc) as recency
    from line_items
    {% if is_incremental() %}
    where booking_id in (select booking_id from changed)
    {% endif %}

),

-- every line item repeats what belongs to the booking: the one changed last tells it, and it counts once
bookings as (

    select
        booking_id,
        max(case when recency = 1 then session_id end) as session_id,
        max(case when recency = 1 then customer_id end) as customer_id,
        max(case when recency = 1 then payment_method end) as payment_method,
        max(case when recency = 1 then payment_status end) as payment_status,
        count_if(recency = 1 and payment_status = 'Success') > 0 as is_paid,
        count(*)::number(38, 0) as line_items,
        sum(quantity)::number(38, 0) as pieces,
        sum(quantity * item_price_idr)::number(18, 2) as items_idr,
        coalesce(max(case when recency = 1 then promo_idr end), 0)::number(14, 2) as promo_idr,
        max(case when recency = 1 then shipment_fee_idr end) as shipment_fee_idr,
        max(case when recency = 1 then total_idr end) as total_idr,
        min(booked_at) as booked_at,
        max(landed_at) as landed_at
    from ranked
    group by booking_id

)

select * from bookings

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where booking_id in (select booking_id from changed)

{% endif %}
