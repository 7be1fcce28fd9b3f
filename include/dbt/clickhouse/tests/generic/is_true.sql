{# Fails for each row where the expression is not true; null is not true. #}
{% test is_true(model, expression) %}

select *
from {{ model }}
where not coalesce({{ expression }}, false)

{% endtest %}
