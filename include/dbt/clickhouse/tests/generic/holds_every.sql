{#
    Fails for each key of `of` that is missing here although it landed longer than the look-back before this model's
    newest row: no later run would find it.
#}
{% test holds_every(model, of, key) %}

select distinct {{ key }}
from {{ of }}
where
    {{ key }} not in (select {{ key }} from {{ model }})
    and landed_at < (
        select max(landed_at) - interval {{ var('look_back_hours') }} hour from {{ model }}
    )

{% endtest %}
