{{ config(order_by='(product_id, started_at)') }}

with

minutes as (

    select
        market,
        product_id,
        toStartOfFiveMinutes(minute_at) as started_at,
        trades,
        volume_coins,
        notional_usd
    from {{ ref('live_coinbase__trades_per_minute') }}

),

grouped as (

    select
        market,
        product_id,
        started_at,
        toInt64(sum(trades)) as trades,
        cast(sum(volume_coins) as Decimal(38, 8)) as volume_coins,
        cast(sum(notional_usd) as Decimal(38, 8)) as notional_usd
    from minutes
    group by market, product_id, started_at

),

weighed as (

    select
        market,
        product_id,
        started_at,
        trades,
        volume_coins,
        notional_usd,
        if(trades > 0, toFloat64(notional_usd) / toFloat64(volume_coins), null) as vwap_usd
    from grouped

)

select * from weighed
