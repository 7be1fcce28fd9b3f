with

source as (

    {{ landed(source('coinbase', 'coinbase_ticker')) }}

),

typed as (

    select
        -- ids
        concat(market, '/', product_id, '/', toString(sequence)) as ticker_id,
        if(_topic = 'coinbase_ticker_live', 'exchange', 'generated') as market,
        product_id,
        sequence,
        trade_id,

        -- text
        side,

        -- numbers, which a ticker tells as text
        toDecimal128OrNull(price, 10) as price_usd,
        toDecimal128OrNull(last_size, 8) as size_coins,
        toDecimal128OrNull(open_24h, 10) as open_24h_usd,
        toDecimal128OrNull(low_24h, 10) as low_24h_usd,
        toDecimal128OrNull(high_24h, 10) as high_24h_usd,
        toDecimal128OrNull(volume_24h, 8) as volume_24h_coins,
        toDecimal128OrNull(ifNull(volume_30d, ''), 8) as volume_30d_coins,
        toDecimal128OrNull(best_bid, 10) as best_bid_usd,
        toDecimal128OrNull(ifNull(best_bid_size, ''), 8) as best_bid_coins,
        toDecimal128OrNull(best_ask, 10) as best_ask_usd,
        toDecimal128OrNull(ifNull(best_ask_size, ''), 8) as best_ask_coins,

        -- times
        time as traded_at,

        -- provenance
        {{ provenance() }}

    from source

)

select * from typed
