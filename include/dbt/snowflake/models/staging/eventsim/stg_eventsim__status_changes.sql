with

source as (

    select * from {{ source('eventsim', 'status_change_events') }}
    where {{ conforms_status_change_events() }}
    {{ and_landed() }}

),

typed as (

    select
        -- ids
        record_content:event_id::varchar as event_id,
        record_content:sessionId::number(38, 0) as session_id,
        record_content:userId::number(38, 0) as user_id,

        -- text
        record_content:firstName::varchar as first_name,
        record_content:lastName::varchar as last_name,
        record_content:gender::varchar as gender,
        record_content:level::varchar as level,
        record_content:city::varchar as city,
        record_content:zip::varchar as zip,
        record_content:state::varchar as state,
        record_content:userAgent::varchar as user_agent,
        record_content:auth::varchar as auth,

        -- numbers
        record_content:itemInSession::number(38, 0) as item_in_session,
        record_content:lat::float as lat,
        record_content:lon::float as lon,

        -- times, which come in milliseconds
        to_timestamp_ntz(record_content:registration::number, 3)::timestamp_ntz(3) as registered_at,
        to_timestamp_ntz(record_content:ts::number, 3)::timestamp_ntz(3) as changed_at,

        -- provenance
        {{ provenance() }}

    from source

),

deduplicated as (

    select *
    from typed
    qualify row_number() over (partition by event_id order by kafka_offset desc, landed_at) = 1

)

select * from deduplicated
