{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='ticker_id',
        on_schema_change='fail',
    )
}}

with

trades as (

    select * from {{ ref('stg_coinbase__trades') }}
    {% if is_incremental() %}
    where {{ landed_lately() }}
    {% endif %}

),

worth as (

    select
        ticker_id,
        market,
        product_id,
        sequence,
        trade_id,
        side,
        price_usd,
        size_coins,
        round(price_usd * size_coins, 8)::number(38, 8) as notional_usd,
        traded_at,
        landed_at
    from trades

)

select * from worth

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where {{ landed_lately() }}

{% endif %}
