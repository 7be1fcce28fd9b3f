{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='event_id',
        on_schema_change='fail',
    )
}}

with

page_views as (

    select * from {{ ref('stg_eventsim__page_views') }}
    {% if is_incremental() %}
    where {{ landed_lately() }}
    {% endif %}

),

keyed as (

    select
        event_id,
        session_id,
        user_id,
        case when artist is not null then {{ key_of(['artist', 'song']) }} end as song_id,
        {{ key_of(['city', 'zip', 'state']) }} as location_id,
        page,
        auth,
        level,
        method,
        http_status,
        item_in_session,
        duration_s,
        first_name,
        last_name,
        gender,
        registered_at,
        city,
        zip,
        state,
        lat,
        lon,
        user_agent,
        viewed_at,
        landed_at
    from page_views

)

select * from keyed

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where event_id in (select event_id from page_views)

{% endif %}
