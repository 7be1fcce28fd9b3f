{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='event_id',
        on_schema_change='fail',
    )
}}

with

status_changes as (

    select * from {{ ref('stg_eventsim__status_changes') }}
    {% if is_incremental() %}
    where {{ landed_lately() }}
    {% endif %}

),

told as (

    select
        event_id,
        session_id,
        user_id,
        {{ key_of(['city', 'zip', 'state']) }} as location_id,
        case
            when auth = 'Cancelled' then 'cancellation'
            when registered_at = changed_at then 'registration'
            when level = 'paid' then 'upgrade'
            else 'downgrade'
        end as change,
        level,
        changed_at,
        landed_at
    from status_changes

)

select * from told

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where event_id in (select event_id from status_changes)

{% endif %}
