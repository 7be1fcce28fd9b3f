{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='session_id',
        on_schema_change='fail',
    )
}}

with

page_views as (

    select * from {{ ref('fct_eventsim__page_views') }}

),

{% if is_incremental() %}

changed as (

    select session_id from {{ ref('fct_eventsim__page_views') }} where {{ landed_lately() }}

),

{% endif %}

located as (

    select
        session_id,
        user_id,
        location_id,
        viewed_at,
        page,
        http_status,
        level,
        user_agent,
        item_in_session,
        duration_s,
        landed_at,
        row_number() over (partition by session_id order by item_in_session) as place,
        row_number() over (partition by session_id order by item_in_session desc) as place_from_end
    from page_views
    {% if is_incremental() %}
    where session_id in (select session_id from changed)
    {% endif %}

),

grouped as (

    select
        session_id,
        max(user_id) as user_id,
        max(case when place = 1 then location_id end) as location_id,
        min(viewed_at) as started_at,
        max(viewed_at) as ended_at,
        count(*)::number(38, 0) as page_views,
        count_if(page = 'NextSong')::number(38, 0) as listens,
        sum(coalesce(duration_s, 0))::number(38, 3) as listened_s,
        max(case when place = 1 then page end) as first_page,
        max(case when place_from_end = 1 then page end) as last_page,
        max(case when place = 1 then level end) as level_at_start,
        max(case when place_from_end = 1 then level end) as level_at_end,
        max(http_status) >= 400 as has_error,
        max(case when place = 1 then user_agent end) as user_agent,
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
        floor(datediff(millisecond, started_at, ended_at) / 1000)::number(38, 0) as duration_s,
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
