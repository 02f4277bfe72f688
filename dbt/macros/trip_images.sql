{#-
  Trips as they are `now`, and as they were (`was`) when the last successful run began, each trip in one row a state. In
  an increment only those that changed since then; then a sum goes on by what is now less what was.
-#}
{% macro trip_images() %}
select
  {%- for name in ('city', 'customer_id', 'status', 'requested_at', 'distance_km', 'fare') %}
  if(is_now, {{ name }}, before_{{ name }}) as {{ name }},
  {%- endfor %}
  is_now as now,
  not is_now or not ({{ loaded_since() }}) as was
from {{ ref('latest_trips') }}, unnest([true{{ ', false' if stands() }}]) as is_now
where
  if(is_now, not is_deleted, not before_is_deleted and {{ loaded_since() }})
  and if(is_now, city, before_city) is not null
  and if(is_now, requested_at, before_requested_at) is not null
  {%- if is_increment() %}
  and {{ loaded_since() }}
  {%- endif %}
{% endmacro %}
