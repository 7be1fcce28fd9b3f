{#
    The rows of a landing table, each event once, at its greatest offset. With the var `until_ms` only what had landed by
    then: staging, the gate and the marts of one run so see the same rows, whatever lands meanwhile, and of an event that
    was corrected meanwhile the version there was.
#}
{% macro landed(table, key, also='') -%}
    select {{ also }}* from {{ table }}
    {%- if var('until_ms', none) is none %} final
    {%- else %}
    where toUnixTimestamp64Milli(_landed_at) <= {{ var('until_ms') | int }}
    order by {{ key }}, _offset desc
    limit 1 by {{ key }}
    {%- endif %}
{%- endmacro %}
