{# Fails where the sum of column `sum` differs from the sum of expression `of` over `to`, to the last digit. #}
{% test sums_to(model, sum, to, of) %}

select *
from (
    select
        (select coalesce(sum({{ sum }}), 0) from {{ model }}) as found,
        (select coalesce(sum({{ of }}), 0) from {{ to }}) as expected
) as summed
where found != expected

{% endtest %}
