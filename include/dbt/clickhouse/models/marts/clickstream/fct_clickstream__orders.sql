{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='event_id',
        order_by='(ordered_at, event_id)',
        on_schema_change='fail',
        pre_hook="{{ forget_unless(ref('stg_clickstream__events'), 'event_id', \"event_name = 'CompleteOrder' and order_status = 'Success'\") }}",
    )
}}

with

events as (

    select * from {{ ref('stg_clickstream__events') }}

),

{% if is_incremental() %}

changed as (

    select event_id from {{ ref('stg_clickstream__events') }} where {{ landed_lately() }}

),

{% endif %}

-- an order that failed is none
orders as (

    select
        event_id,
        session_id,
        user_id,
        channel,
        country,
        assumeNotNull(cart_pieces) as pieces,
        toDecimal64(assumeNotNull(cart_usd), 2) as revenue_usd,
        happened_at as ordered_at,
        landed_at
    from events
    where event_name = 'CompleteOrder' and order_status = 'Success'
    {% if is_incremental() %}
    and event_id in (select event_id from changed)
    {% endif %}

)

select * from orders

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where event_id in (select event_id from changed)

{% endif %}
