with

changes as (

    select * from {{ ref('stg_fashion__click_changes') }}

),

-- the database's log decides which change is the latest, not the order of arrival
latest as (

    select *
    from changes
    qualify row_number() over (partition by click_id order by lsn desc, kafka_offset desc) = 1

),

present as (

    select
        -- ids
        click_id,
        lsn,
        event_id,
        session_id,
        product_id,

        -- text
        event_name,
        traffic_source,
        payment_status,
        search_keywords,
        promo_code,

        -- numbers
        quantity,
        item_price_idr,
        promo_idr,

        -- times
        clicked_at,
        changed_at,

        -- provenance
        kafka_topic,
        kafka_partition,
        kafka_offset,
        produced_at,
        landed_at

    from latest
    where operation != 'd'

)

select * from present
