{#
    With the var `until_ms` only what had landed by then: staging, the gate and the marts of one run so see the same rows,
    whatever lands meanwhile. A condition to add to a where clause on a landing table.
#}
{% macro and_landed() -%}
    {%- if var('until_ms', none) is not none -%}
    and coalesce(record_metadata:SnowflakeConnectorPushTime::number, 0) <= {{ var('until_ms') | int }}
    {%- endif -%}
{%- endmacro %}
