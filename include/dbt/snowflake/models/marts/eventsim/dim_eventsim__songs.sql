with

listens as (

    select * from {{ ref('stg_eventsim__listens') }}

),

grouped as (

    select
        {{ key_of(['artist', 'song']) }} as song_id,
        {{ key_of(['artist']) }} as artist_id,
        artist,
        song as title,
        max(duration_s) as duration_s
    from listens
    group by artist, song

)

select * from grouped
