{#
    The rows of a landing table, each event once, at its greatest offset. With the var `until_ms` only what had landed by
    then: staging, the gate and the marts of one run so see the same rows, whatever lands meanwhile. An event that lands
    again meanwhile, corrected or repeated, is left to the next run; a mart that has it keeps it as it was.
#}
{% macro landed(table, also='') -%}
    select {{ also }}* from {{ table }} final
    {%- if var('until_ms', none) is not none %}
    where toUnixTimestamp64Milli(_landed_at) <= {{ var('until_ms') | int }}
    {%- endif %}
{%- endmacro %}
