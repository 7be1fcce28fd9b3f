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

page_views as (

    select * from {{ ref('stg_eventsim__page_views') }}

),

{% if is_incremental() %}

changed as (

    select session_id from {{ ref('stg_eventsim__page_views') }} where {{ landed_lately() }}

),

{% endif %}

located as (

    select
        session_id,
        user_id,
        {{ key_of(['city', 'zip', 'state']) }} as location_id,
        viewed_at,
        page,
        http_status,
        level,
        user_agent,
        item_in_session,
        duration_s,
        landed_at
    from page_views
    {% if is_incremental() %}
    where session_id in (select session_id from changed)
    {% endif %}

),

grouped as (

    select
        session_id,
        max(user_id) as user_id,
        argMin(location_id, item_in_session) as location_id,
        min(viewed_at) as started_at,
        max(viewed_at) as ended_at,
        toInt64(count()) as page_views,
        toInt64(countIf(page = 'NextSong')) as listens,
        toDecimal128(sum(ifNull(duration_s, 0)), 3) as listened_s,
        argMin(page, item_in_session) as first_page,
        argMax(page, item_in_session) as last_page,
        argMin(level, item_in_session) as level_at_start,
        argMax(level, item_in_session) as level_at_end,
        toBool(max(http_status) >= 400) as has_error,
        argMin(user_agent, item_in_session) as user_agent,
        max(landed_at) as landed_at
    from located
    group by session_id

),

sessions as (

    select
        session_id,
        user_id,
        location_id,
        started_at,
        ended_at,
        toInt64(intDiv(dateDiff('millisecond', started_at, ended_at), 1000)) as duration_s,
        page_views,
        listens,
        listened_s,
        first_page,
        last_page,
        level_at_start,
        level_at_end,
        has_error,
        user_agent,
        landed_at
    from grouped

)

select * from sessions

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where session_id in (select session_id from changed)

{% endif %}
