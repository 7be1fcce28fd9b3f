{#
    Deletes from this model what a change took the last row of: its keys (`key`, or `previous_key` before a row moved)
    are among the changes that landed lately, and no row is left. A pre-hook, so that it looks as far back as the model.
#}
{% macro forget_emptied(changes, rows, key, previous_key) -%}
    {%- if is_incremental() -%}
    delete from {{ this }}
    where {{ key }} in (
        select {{ key }} from {{ changes }} where {{ landed_lately() }}
        union
        select {{ previous_key }} from {{ changes }} where {{ landed_lately() }}
    )
    and {{ key }} not in (select {{ key }} from {{ rows }} where {{ key }} is not null)
    {%- endif -%}
{%- endmacro %}

{# Deletes from this model the rows, by `key`, whose record was corrected and is no longer what `condition` asks for. #}
{% macro forget_unless(rows, key, condition) -%}
    {%- if is_incremental() -%}
    delete from {{ this }}
    where {{ key }} in (select {{ key }} from {{ rows }} where {{ landed_lately() }} and not coalesce({{ condition }}, false))
    {%- endif -%}
{%- endmacro %}
