{{ config(order_by='(product_id, minute_at)') }}

with

candles as (

    select * from {{ ref('fct_coinbase__candles') }}

),

-- of each market the 24 hours up to its newest minute
ends as (

    select
        market,
        max(minute_at) as last_at
    from candles
    group by market

),

recent as (

    select
        candles.market as market,
        candles.product_id as product_id,
        candles.minute_at as minute_at,
        candles.trades as trades,
        candles.volume_coins as volume_coins,
        candles.notional_usd as notional_usd,
        ends.last_at as last_at
    from candles
    inner join ends on candles.market = ends.market
    where candles.minute_at > ends.last_at - interval 1 day

),

-- a product's minutes, from its first to the market's last
every_minute as (

    select
        market,
        product_id,
        arrayJoin(range(toUInt32(min(minute_at)), toUInt32(max(last_at)) + 60, 60)) as minute_s
    from recent
    group by market, product_id

),

minutes as (

    select
        every_minute.market as market,
        every_minute.product_id as product_id,
        toDateTime(every_minute.minute_s, 'UTC') as minute_at,
        recent.trades as trades,
        recent.volume_coins as volume_coins,
        recent.notional_usd as notional_usd
    from every_minute
    left join recent
        on every_minute.market = recent.market
        and every_minute.product_id = recent.product_id
        and every_minute.minute_s = toUInt32(recent.minute_at)
    -- what is not there is zero, not null
    settings join_use_nulls = 0

)

select * from minutes
