{# A key of what has none of its own: the MD5 of its columns' text, with a separator that no text holds between them. #}
{% macro key_of(columns) -%}
    lower(hex(MD5(concat({{ columns | join(", char(31), ") }}{% if columns | length == 1 %}, ''{% endif %}))))
{%- endmacro %}
