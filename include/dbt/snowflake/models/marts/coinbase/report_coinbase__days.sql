with

candles as (

    select
        market,
        product_id,
        minute_at::date as traded_on,
        minute_at,
        trades,
        open_usd,
        high_usd,
        low_usd,
        close_usd,
        volume_coins,
        notional_usd
    from {{ ref('fct_coinbase__candles') }}

),

grouped as (

    select
        market,
        product_id,
        traded_on,
        sum(trades)::number(38, 0) as trades,
        count(*)::number(38, 0) as minutes,
        min_by(open_usd, minute_at)::number(38, 10) as open_usd,
        max(high_usd)::number(38, 10) as high_usd,
        min(low_usd)::number(38, 10) as low_usd,
        max_by(close_usd, minute_at)::number(38, 10) as close_usd,
        sum(volume_coins)::number(38, 8) as volume_coins,
        sum(notional_usd)::number(38, 8) as notional_usd
    from candles
    group by market, product_id, traded_on

),

days as (

    select
        market,
        product_id,
        traded_on,
        trades,
        minutes,
        open_usd,
        high_usd,
        low_usd,
        close_usd,
        volume_coins,
        notional_usd,
        notional_usd::float / volume_coins::float as vwap_usd
    from grouped

)

select * from days
