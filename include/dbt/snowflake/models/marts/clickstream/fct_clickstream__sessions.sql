{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='session_id',
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

placed as (

    select
        *,
        row_number() over (partition by session_id order by happened_at, kafka_offset) as place
    from events
    {% if is_incremental() %}
    where session_id in (select session_id from changed)
    {% endif %}

),

-- where the visitor came from and what with is told by the first event
grouped as (

    select
        session_id,
        max(user_id) as user_id,
        max(case when place = 1 then channel end) as channel,
        max(case when place = 1 then country end) as country,
        max(case when place = 1 then brand end) as brand,
        max(case when place = 1 then os end) as os,
        max(case when place = 1 then browser end) as browser,
        min(happened_at) as started_at,
        max(happened_at) as ended_at,
        count(*)::number(38, 0) as events,
        count_if(event_name = 'AddToCart') as additions,
        count_if(event_name = 'Checkout') as checkouts,
        count_if(event_name = 'CompleteOrder' and order_status = 'Success')::number(38, 0) as orders,
        coalesce(
            sum(case when event_name = 'CompleteOrder' and order_status = 'Success' then cart_usd end), 0
        )::number(18, 2) as revenue_usd,
        max(landed_at) as landed_at
    from placed
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
        floor(datediff(millisecond, started_at, ended_at) / 1000)::number(38, 0) as duration_s,
        events,
        additions > 0 as has_cart,
        checkouts > 0 as has_checkout,
        orders > 0 as has_order,
        orders,
        revenue_usd,
        landed_at
    from grouped

)

select * from sessions

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where session_id in (select session_id from changed)

{% endif %}
