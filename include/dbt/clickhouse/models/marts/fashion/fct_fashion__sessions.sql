{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_id',
        order_by='(started_at, session_id)',
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
    union distinct
    select previous_session_id from {{ ref('stg_fashion__click_changes') }} where {{ landed_lately() }}

),

{% endif %}

lettered as (

    select
        assumeNotNull(session_id) as session_id,
        assumeNotNull(clicked_at) as clicked_at,
        click_id,
        assumeNotNull(traffic_source) as traffic_source,
        event_name = 'BOOKING' as is_booking,
        landed_at,
        multiIf(
            event_name = 'HOMEPAGE', 'H',
            event_name = 'ITEM_DETAIL', 'D',
            event_name = 'ADD_TO_CART', 'A',
            event_name = 'BOOKING', 'B',
            ''
        ) as letter
    from clicks
    {% if is_incremental() %}
    where session_id in (select session_id from changed)
    {% endif %}

),

-- the funnel's events in order, a letter each
grouped as (

    select
        session_id,
        argMin(traffic_source, (clicked_at, click_id)) as traffic_source,
        min(clicked_at) as started_at,
        max(clicked_at) as ended_at,
        toInt64(count()) as events,
        toInt64(countIf(is_booking)) as bookings,
        arrayStringConcat(arrayMap(step -> step.3, arraySort(groupArray((clicked_at, click_id, letter))))) as path,
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
        dateDiff('second', started_at, ended_at) as duration_s,
        events,
        toBool(bookings > 0) as has_booking,
        toInt64(multiIf(
            path like '%H%D%A%B%', 4,
            path like '%H%D%A%', 3,
            path like '%H%D%', 2,
            path like '%H%', 1,
            0
        )) as funnel_steps,
        landed_at
    from grouped

)

select * from sessions

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where session_id in (select session_id from changed)

{% endif %}
