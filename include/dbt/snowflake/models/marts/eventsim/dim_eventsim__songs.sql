with

listens as (

    select * from {{ ref('fct_eventsim__listens') }}

),

grouped as (

    select
        song_id,
        artist_id,
        artist,
        title,
        max(duration_s) as duration_s
    from listens
    group by song_id, artist_id, artist, title

)

select * from grouped
