{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='candle_id',
        order_by='(product_id, minute_at)',
        on_schema_change='fail',
    )
}}

with

named as (

    select
        concat(market, '/', product_id, '/', formatDateTime(traded_at, '%Y-%m-%dT%H:%i', 'UTC')) as candle_id,
        market,
        product_id,
        toStartOfMinute(traded_at) as minute_at,
        sequence,
        price_usd,
        size_coins,
        notional_usd,
        landed_at
    from {{ ref('fct_coinbase__trades') }}

),

{% if is_incremental() %}

changed as (

    select candle_id from named where {{ landed_lately() }}

),

{% endif %}

grouped as (

    select
        candle_id,
        market,
        product_id,
        minute_at,
        toInt64(count()) as trades,
        argMin(price_usd, sequence) as open_usd,
        max(price_usd) as high_usd,
        min(price_usd) as low_usd,
        argMax(price_usd, sequence) as close_usd,
        cast(sum(size_coins) as Decimal(38, 8)) as volume_coins,
        cast(sum(notional_usd) as Decimal(38, 8)) as notional_usd,
        max(landed_at) as landed_at
    from named
    {% if is_incremental() %}
    where candle_id in (select candle_id from changed)
    {% endif %}
    group by candle_id, market, product_id, minute_at

),

candles as (

    select
        candle_id,
        market,
        product_id,
        minute_at,
        trades,
        open_usd,
        high_usd,
        low_usd,
        close_usd,
        volume_coins,
        notional_usd,
        toFloat64(notional_usd) / toFloat64(volume_coins) as vwap_usd,
        landed_at
    from grouped

)

select * from candles

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where candle_id in (select candle_id from changed)

{% endif %}
