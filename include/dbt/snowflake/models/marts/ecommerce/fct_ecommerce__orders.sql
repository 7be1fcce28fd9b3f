{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='order_id',
        on_schema_change='fail',
    )
}}

with

orders as (

    select * from {{ ref('stg_ecommerce__orders') }}

),

{% if is_incremental() %}

changed as (

    select order_id from {{ ref('stg_ecommerce__orders') }} where {{ landed_lately() }}

),

{% endif %}

latest as (

    select
        order_id,
        product_id,
        customer_id,
        quantity,
        total_usd as revenue_usd,
        ordered_at,
        landed_at
    from orders
    {% if is_incremental() %}
    where order_id in (select order_id from changed)
    {% endif %}
    qualify row_number() over (partition by order_id order by kafka_offset desc) = 1

)

select * from latest

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where order_id in (select order_id from changed)

{% endif %}
