with

listens as (

    select * from {{ ref('fct_eventsim__listens') }}

),

grouped as (

    select
        artist_id,
        artist,
        count(distinct title)::number(38, 0) as songs
    from listens
    group by artist_id, artist

)

select * from grouped
