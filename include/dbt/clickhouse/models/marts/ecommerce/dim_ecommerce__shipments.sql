{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='order_id',
        order_by='order_id',
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
        toNullable(ordered_at) as ordered_at,
        toNullable(landed_at) as order_landed_at
    from {{ ref('stg_ecommerce__orders') }}
    order by order_id, kafka_offset desc
    limit 1 by order_id

),

{% if is_incremental() %}

-- an order that lands after its shipment, or again, changes the delays as well
changed as (

    select order_id from {{ ref('stg_ecommerce__shipments') }} where {{ landed_lately() }}
    union distinct
    select order_id from {{ ref('stg_ecommerce__orders') }} where {{ landed_lately() }}

),

{% endif %}

-- of two events about the same step the higher revision counts
steps as (

    select
        order_id,
        argMax(shipments.vendor_id, (shipments.revision_number, shipments.status)) as vendor_id,
        argMax(shipments.shipping_method_id, (shipments.revision_number, shipments.status)) as shipping_method_id,
        argMax(shipments.status, (shipments.revision_number, shipments.status)) as status,
        argMax(shipments.cost_usd, (shipments.revision_number, shipments.status)) as cost_usd,
        argMaxOrNullIf(modified_at, revision_number, shipments.status = 0) as shipped_at,
        argMaxOrNullIf(modified_at, revision_number, shipments.status = 1) as dispatched_at,
        argMaxOrNullIf(modified_at, revision_number, shipments.status = 2) as completed_at,
        max(landed_at) as shipment_landed_at
    from shipments
    {% if is_incremental() %}
    where order_id in (select order_id from changed)
    {% endif %}
    group by order_id

),

joined as (

    select
        steps.order_id as order_id,
        steps.vendor_id as vendor_id,
        steps.shipping_method_id as shipping_method_id,
        steps.status as status,
        steps.cost_usd as cost_usd,
        orders.ordered_at as ordered_at,
        steps.shipped_at as shipped_at,
        steps.dispatched_at as dispatched_at,
        steps.completed_at as completed_at,
        dateDiff('second', orders.ordered_at, steps.shipped_at) as ship_delay_s,
        dateDiff('second', orders.ordered_at, steps.dispatched_at) as dispatch_delay_s,
        dateDiff('second', orders.ordered_at, steps.completed_at) as completion_delay_s,
        greatest(steps.shipment_landed_at, ifNull(orders.order_landed_at, steps.shipment_landed_at)) as landed_at
    from steps
    left join orders on steps.order_id = orders.order_id

)

select * from joined

{% if is_incremental() %}

-- rows that are there already are not written again
except
select * from {{ this }} where order_id in (select order_id from changed)

{% endif %}
