{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='booking_id',
        order_by='(booked_at, booking_id)',
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
    union distinct
    select previous_booking_id from {{ ref('stg_fashion__transaction_changes') }} where {{ landed_lately() }}

),

{% endif %}

-- every line item repeats what belongs to the booking: the one changed last tells it, and it counts once
bookings as (

    select
        assumeNotNull(line_items.booking_id) as booking_id,
        assumeNotNull(argMax(line_items.session_id, lsn)) as session_id,
        assumeNotNull(argMax(line_items.customer_id, lsn)) as customer_id,
        assumeNotNull(argMax(line_items.payment_method, lsn)) as payment_method,
        assumeNotNull(argMax(line_items.payment_status, lsn)) as payment_status,
        toBool(assumeNotNull(argMax(line_items.payment_status, lsn) = 'Success')) as is_paid,
        toInt64(count()) as line_items,
        assumeNotNull(sum(quantity)) as pieces,
        cast(assumeNotNull(sum(quantity * item_price_idr)) as Decimal(18, 2)) as items_idr,
        -- in a tuple, since argMax passes over nulls: the latest may have none
        ifNull(argMax(tuple(line_items.promo_idr), lsn).1, toDecimal64(0, 2)) as promo_idr,
        assumeNotNull(argMax(line_items.shipment_fee_idr, lsn)) as shipment_fee_idr,
        assumeNotNull(argMax(line_items.total_idr, lsn)) as total_idr,
        assumeNotNull(min(line_items.booked_at)) as booked_at,
        max(line_items.landed_at) as landed_at
    from line_items
    {% if is_incremental() %}
    where booking_id in (select booking_id from changed)
    {% endif %}
    group by booking_id

)

select * from bookings

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where booking_id in (select booking_id from changed)

{% endif %}
