{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='event_id',
        order_by='(listened_at, event_id)',
        on_schema_change='fail',
    )
}}

with

listens as (

    select * from {{ ref('stg_eventsim__listens') }}
    {% if is_incremental() %}
    where {{ landed_lately() }}
    {% endif %}

),

keyed as (

    select
        event_id,
        session_id,
        assumeNotNull(user_id) as user_id,
        {{ key_of(['artist', 'song']) }} as song_id,
        {{ key_of(['artist']) }} as artist_id,
        artist,
        song as title,
        {{ key_of(['city', 'zip', 'state']) }} as location_id,
        level,
        item_in_session,
        duration_s,
        listened_at,
        landed_at
    from listens

)

select * from keyed

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where event_id in (select event_id from listens)

{% endif %}
