with

source as (

    select * from {{ source('coinbase', 'coinbase_ticker') }}
    where {{ conforms_coinbase_ticker() }}
    {{ and_landed() }}

),

typed as (

    select
        -- ids
        iff(record_metadata:topic::varchar = 'coinbase_ticker_live', 'exchange', 'generated')
            || '/' || record_content:product_id::varchar || '/' || record_content:sequence::varchar as ticker_id,
        iff(record_metadata:topic::varchar = 'coinbase_ticker_live', 'exchange', 'generated') as market,
        record_content:product_id::varchar as product_id,
        record_content:sequence::number(38, 0) as sequence,
        record_content:trade_id::number(38, 0) as trade_id,

        -- text
        record_content:side::varchar as side,

        -- numbers, which a ticker tells as text
        try_cast(record_content:price::varchar as number(38, 10)) as price_usd,
        try_cast(record_content:last_size::varchar as number(38, 8)) as size_coins,
        try_cast(record_content:open_24h::varchar as number(38, 10)) as open_24h_usd,
        try_cast(record_content:low_24h::varchar as number(38, 10)) as low_24h_usd,
        try_cast(record_content:high_24h::varchar as number(38, 10)) as high_24h_usd,
        try_cast(record_content:volume_24h::varchar as number(38, 8)) as volume_24h_coins,
        try_cast(record_content:volume_30d::varchar as number(38, 8)) as volume_30d_coins,
        try_cast(record_content:best_bid::varchar as number(38, 10)) as best_bid_usd,
        try_cast(record_content:best_bid_size::varchar as number(38, 8)) as best_bid_coins,
        try_cast(record_content:best_ask::varchar as number(38, 10)) as best_ask_usd,
        try_cast(record_content:best_ask_size::varchar as number(38, 8)) as best_ask_coins,

        -- times
        record_content:time::varchar::timestamp_ntz(3) as traded_at,

        -- provenance
        {{ provenance() }}

    from source

),

deduplicated as (

    select *
    from typed
    qualify row_number() over (partition by ticker_id order by kafka_offset desc, landed_at) = 1

)

select * from deduplicated
