{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='session_id',
        on_schema_change='fail',
        pre_hook="{{ forget_emptied(ref('stg_fashion__click_changes'), ref('stg_fashion__clicks'), 'session_id', 'previous_session_id') }}",
    )
}}

with

clicks as (

    select * from {{ ref('stg_fashion__clicks') }}

),

{% if is_incremental() %}

-- a click that moved to another session changed both
changed as (

    select session_id from {{ ref('stg_fashion__click_changes') }} where {{ landed_lately() }}
    union
    select previous_session_id from {{ ref('stg_fashion__click_changes') }} where {{ landed_lately() }}

),

{% endif %}

lettered as (

    select
        session_id,
        clicked_at,
        click_id,
        traffic_source,
        event_name,
        landed_at,
        case event_name
            when 'HOMEPAGE' then 'H'
            when 'ITEM_DETAIL' then 'D'
            when 'ADD_TO_CART' then 'A'
            when 'BOOKING' then 'B'
            else ''
        end as letter,
        row_number() over (partition by session_id order by clicked_at, click_id) as place
    from clicks
    {% if is_incremental() %}
    where session_id in (select session_id from changed)
    {% endif %}

),

-- the funnel's events in order, a letter each
grouped as (

    select
        session_id,
        max(case when place = 1 then traffic_source end) as traffic_source,
        min(clicked_at) as started_at,
        max(clicked_at) as ended_at,
        count(*)::number(38, 0) as events,
        count_if(event_name = 'BOOKING') as bookings,
        listagg(letter) within group (order by clicked_at, click_id) as path,
        max(landed_at) as landed_at
    from lettered
    group by session_id

),

sessions as (

    select
        session_id,
        traffic_source,
        started_at,
        ended_at,
        datediff(second, started_at, ended_at)::number(38, 0) as duration_s,
        events,
        bookings > 0 as has_booking,
        case
            when path like '%H%D%A%B%' then 4
            when path like '%H%D%A%' then 3
            when path like '%H%D%' then 2
            when path like '%H%' then 1
            else 0
        end::number(38, 0) as funnel_steps,
        landed_at
    from grouped

)

select * from sessions

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where session_id in (select session_id from changed)

{% endif %}
