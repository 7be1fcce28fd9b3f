{# A key of what has none of its own: the MD5 of its columns' text, with a separator that no text holds between them. #}
{% macro key_of(columns) -%}
    md5({{ columns | join(" || chr(31) || ") }})
{%- endmacro %}
