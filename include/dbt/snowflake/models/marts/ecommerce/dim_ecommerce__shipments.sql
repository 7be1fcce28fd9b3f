{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='order_id',
        on_schema_change='fail',
    )
}}

with

shipments as (

    select * from {{ ref('stg_ecommerce__shipments') }}

),

orders as (

    select
        order_id,
        ordered_at,
        landed_at
    from {{ ref('stg_ecommerce__orders') }}
    qualify row_number() over (partition by order_id order by kafka_offset desc) = 1

),

{% if is_incremental() %}

-- an order that lands after its shipment, or again, changes the delays as well
changed as (

    select order_id from {{ ref('stg_ecommerce__shipments') }} where {{ landed_lately() }}
    union
    select order_id from {{ ref('stg_ecommerce__orders') }} where {{ landed_lately() }}

),

{% endif %}

-- of two events about the same step the higher revision counts
ranked as (

    select
        *,
        row_number() over (partition by order_id order by revision_number desc, status desc) as recency,
        row_number() over (partition by order_id, status order by revision_number desc) as recency_in_status
    from shipments
    {% if is_incremental() %}
    where order_id in (select order_id from changed)
    {% endif %}

),

steps as (

    select
        order_id,
        max(case when recency = 1 then vendor_id end) as vendor_id,
        max(case when recency = 1 then shipping_method_id end) as shipping_method_id,
        max(case when recency = 1 then status end) as status,
        max(case when recency = 1 then cost_usd end) as cost_usd,
        max(case when recency_in_status = 1 and status = 0 then modified_at end) as shipped_at,
        max(case when recency_in_status = 1 and status = 1 then modified_at end) as dispatched_at,
        max(case when recency_in_status = 1 and status = 2 then modified_at end) as completed_at,
        max(landed_at) as landed_at
    from ranked
    group by order_id

),

joined as (

    select
        steps.order_id,
        steps.vendor_id,
        steps.shipping_method_id,
        steps.status,
        steps.cost_usd,
        orders.ordered_at,
        steps.shipped_at,
        steps.dispatched_at,
        steps.completed_at,
        datediff(second, orders.ordered_at, steps.shipped_at)::number(38, 0) as ship_delay_s,
        datediff(second, orders.ordered_at, steps.dispatched_at)::number(38, 0) as dispatch_delay_s,
        datediff(second, orders.ordered_at, steps.completed_at)::number(38, 0) as completion_delay_s,
        greatest(steps.landed_at, coalesce(orders.landed_at, steps.landed_at)) as landed_at
    from steps
    left join orders on steps.order_id = orders.order_id

)

select * from joined

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where order_id in (select order_id from changed)

{% endif %}
