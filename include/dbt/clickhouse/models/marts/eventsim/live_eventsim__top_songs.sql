{{ config(materialized='view') }}

{# Read from the landing table itself, so that it shows what has landed this second, gated or not. #}
with

listens as (

    select
        event_id,
        userId as user_id,
        artist,
        song,
        fromUnixTimestamp64Milli(ts, 'UTC') as happened_at
    from {{ source('eventsim', 'listen_events') }}
    where ts > (select max(ts) from {{ source('eventsim', 'page_view_events') }}) - 24 * 3600000
    order by event_id, _offset desc
    limit 1 by event_id

),

counted as (

    select
        {{ key_of(['artist', 'song']) }} as song_id,
        artist,
        song as title,
        toInt64(count()) as listens,
        toInt64(uniqExact(user_id)) as listeners
    from listens
    group by artist, song

),

ranked as (

    select
        song_id,
        artist,
        title,
        listens,
        listeners,
        toInt64(rank() over (order by listens desc)) as place
    from counted

)

select * from ranked
