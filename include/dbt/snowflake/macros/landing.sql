{# From which landing time on an incremental model looks: the newest row it holds, less the look-back. #}
{% macro landed_lately() -%}
    landed_at >= (
        select dateadd(hour, -{{ var('look_back_hours') }}, coalesce(max(landed_at), '1970-01-01'::timestamp_ntz))
        from {{ this }}
    )
{%- endmacro %}

{# Where a record stood in Kafka and when it landed: the same columns in every staging model. #}
{% macro provenance() -%}
    record_metadata:topic::varchar as kafka_topic,
        record_metadata:partition::number(38, 0) as kafka_partition,
        record_metadata:offset::number(38, 0) as kafka_offset,
        to_timestamp_ntz(record_metadata:CreateTime::number, 3)::timestamp_ntz(3) as produced_at,
        to_timestamp_ntz(record_metadata:SnowflakeConnectorPushTime::number, 3)::timestamp_ntz(3) as landed_at
{%- endmacro %}
