{{ config(order_by='(product_id, traded_on)') }}

with

candles as (

    select
        market,
        product_id,
        toDate(minute_at) as traded_on,
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
        toInt64(sum(trades)) as trades,
        toInt64(count()) as minutes,
        argMin(open_usd, minute_at) as open_usd,
        max(high_usd) as high_usd,
        min(low_usd) as low_usd,
        argMax(close_usd, minute_at) as close_usd,
        cast(sum(volume_coins) as Decimal(38, 8)) as volume_coins,
        cast(sum(notional_usd) as Decimal(38, 8)) as notional_usd
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
        toFloat64(notional_usd) / toFloat64(volume_coins) as vwap_usd
    from grouped

)

select * from days
