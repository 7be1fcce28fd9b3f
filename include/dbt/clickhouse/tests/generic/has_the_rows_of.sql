{# Fails where the model has another number of rows than `to`: a join lost or multiplied some. #}
{% test has_the_rows_of(model, to) %}

select *
from (
    select
        (select count(*) from {{ model }}) as found,
        (select count(*) from {{ to }}) as expected
) as counted
where found != expected

{% endtest %}
