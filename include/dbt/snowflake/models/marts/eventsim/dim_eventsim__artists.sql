with

listens as (

    select * from {{ ref('stg_eventsim__listens') }}

),

grouped as (

    select
        {{ key_of(['artist']) }} as artist_id,
        artist,
        count(distinct song)::number(38, 0) as songs
    from listens
    group by artist

)

select * from grouped
