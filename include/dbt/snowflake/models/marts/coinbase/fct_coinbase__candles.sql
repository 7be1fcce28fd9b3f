{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='candle_id',
        on_schema_change='fail',
    )
}}

with

named as (

    select
        market || '/' || product_id || '/' || to_char(traded_at, 'YYYY-MM-DD"T"HH24:MI') as candle_id,
        market,
        product_id,
        date_trunc('minute', traded_at)::timestamp_ntz(3) as minute_at,
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
        count(*)::number(38, 0) as trades,
        min_by(price_usd, sequence)::number(38, 10) as open_usd,
        max(price_usd)::number(38, 10) as high_usd,
        min(price_usd)::number(38, 10) as low_usd,
        max_by(price_usd, sequence)::number(38, 10) as close_usd,
        sum(size_coins)::number(38, 8) as volume_coins,
        sum(notional_usd)::number(38, 8) as notional_usd,
        max(landed_at)::timestamp_ntz(3) as landed_at
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
        notional_usd::float / volume_coins::float as vwap_usd,
        landed_at
    from grouped

)

select * from candles

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where candle_id in (select candle_id from changed)

{% endif %}
