{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_id',
        order_by='(started_at, session_id)',
        on_schema_change='fail',
    )
}}

with

events as (

    select * from {{ ref('stg_clickstream__events') }}

),

{% if is_incremental() %}

changed as (

    select session_id from {{ ref('stg_clickstream__events') }} where {{ landed_lately() }}

),

{% endif %}

-- where the visitor came from and what with is told by the first event
grouped as (

    select
        session_id,
        max(user_id) as user_id,
        argMin(channel, (happened_at, kafka_offset)) as channel,
        argMin(tuple(country), (happened_at, kafka_offset)).1 as country,
        argMin(tuple(brand), (happened_at, kafka_offset)).1 as brand,
        argMin(os, (happened_at, kafka_offset)) as os,
        argMin(browser, (happened_at, kafka_offset)) as browser,
        min(happened_at) as started_at,
        max(happened_at) as ended_at,
        toInt64(count()) as events,
        countIf(event_name = 'AddToCart') as additions,
        countIf(event_name = 'Checkout') as checkouts,
        toInt64(countIf(event_name = 'CompleteOrder' and order_status = 'Success')) as orders,
        sumIf(cart_usd, event_name = 'CompleteOrder' and order_status = 'Success') as revenue_usd,
        max(landed_at) as landed_at
    from events
    {% if is_incremental() %}
    where session_id in (select session_id from changed)
    {% endif %}
    group by session_id

),

sessions as (

    select
        session_id,
        user_id,
        channel,
        country,
        brand,
        os,
        browser,
        started_at,
        ended_at,
        intDiv(dateDiff('millisecond', started_at, ended_at), 1000) as duration_s,
        events,
        toBool(additions > 0) as has_cart,
        toBool(checkouts > 0) as has_checkout,
        toBool(orders > 0) as has_order,
        orders,
        toDecimal64(coalesce(revenue_usd, 0), 2) as revenue_usd,
        landed_at
    from grouped

)

select * from sessions

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where session_id in (select session_id from changed)

{% endif %}
