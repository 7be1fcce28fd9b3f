with

changes as (

    select * from {{ ref('stg_fashion__transaction_changes') }}

),

-- the database's log decides which change is the latest, not the order of arrival
latest as (

    select *
    from changes
    qualify row_number() over (partition by transaction_id order by lsn desc, kafka_offset desc) = 1

),

present as (

    select
        -- ids
        transaction_id,
        lsn,
        booking_id,
        session_id,
        customer_id,
        product_id,

        -- text
        payment_method,
        payment_status,
        promo_code,

        -- numbers
        quantity,
        item_price_idr,
        promo_idr,
        shipment_fee_idr,
        total_idr,
        shipment_lat,
        shipment_lon,

        -- times
        booked_at,
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
