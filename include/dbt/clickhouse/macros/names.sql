{# A schema is called as configured, whatever the profile's own schema is: both warehouses have the same names. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}

{# A mart's schema already names its domain: fct_ecommerce__orders is ecommerce.fct_orders. #}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- if custom_alias_name -%}
        {{ custom_alias_name | trim }}
    {%- elif node.resource_type == 'model' and node.fqn[1] == 'marts' -%}
        {{ node.name | replace('_' ~ node.fqn[2] ~ '__', '_') }}
    {%- else -%}
        {{ node.name }}
    {%- endif -%}
{%- endmacro %}
