{# From which landing time on an incremental model looks: the newest row it holds, less the look-back. #}
{% macro landed_lately() -%}
    landed_at >= (select max(landed_at) from {{ this }}) - interval {{ var('look_back_hours') }} hour
{%- endmacro %}

{# Where a record stood in Kafka and when it landed: the same columns in every staging model. #}
{% macro provenance() -%}
    _topic as kafka_topic,
        _partition as kafka_partition,
        _offset as kafka_offset,
        fromUnixTimestamp64Milli(_timestamp, 'UTC') as produced_at,
        _landed_at as landed_at
{%- endmacro %}
