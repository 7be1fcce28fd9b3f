{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='ticker_id',
        order_by='(product_id, traded_at, sequence)',
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
        assumeNotNull(price_usd) as price_usd,
        assumeNotNull(size_coins) as size_coins,
        cast(round(assumeNotNull(price_usd) * assumeNotNull(size_coins), 8) as Decimal(38, 8)) as notional_usd,
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
