{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='event_id',
        on_schema_change='fail',
    )
}}

with

auths as (

    select * from {{ ref('stg_eventsim__auths') }}
    {% if is_incremental() %}
    where {{ landed_lately() }}
    {% endif %}

),

keyed as (

    select
        event_id,
        session_id,
        user_id,
        {{ key_of(['city', 'zip', 'state']) }} as location_id,
        has_succeeded,
        attempted_at,
        landed_at
    from auths

)

select * from keyed

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where event_id in (select event_id from auths)

{% endif %}
