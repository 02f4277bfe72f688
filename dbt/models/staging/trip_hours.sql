{{ config(
    materialized='changes',
    unique_key=['city', 'hour'],
    partition_by={'field': 'day', 'data_type': 'date'},
    cluster_by=['loaded_at', 'city'],
    sums=['requests', 'trips', 'cancellations', 'revenue', 'distance_km', 'measured_trips'],
) }}
{%- set measures = {
    'requests': '1',
    'trips': "if(status = 'completed', 1, 0)",
    'cancellations': "if(status = 'cancelled', 1, 0)",
    'revenue': "if(status = 'completed', ifnull(fare, 0), 0)",
    'distance_km': "if(status = 'completed', ifnull(distance_km, 0), 0)",
    'measured_trips': "if(status = 'completed' and distance_km is not null, 1, 0)",
} -%}
with images as (
  {{ trip_images() }}
),

sums as (
  select
    city,
    timestamp_trunc(requested_at, hour) as hour,
    {%- for name, measure in measures.items() %}
    {%- set type = 'numeric' if name in ('revenue', 'distance_km') else 'int64' %}
    cast(sum(if(now, {{ measure }}, 0)) as {{ type }}) as {{ name }},
    cast(sum(if(was, {{ measure }}, 0)) as {{ type }}) as before_{{ name }},
    {%- endfor %}
  from images
  group by city, hour
),

changed as (
  select * from sums
  {%- if is_increment() %}
  union all
  -- What a run that failed has counted, and counts no longer.
  select
    stored.city,
    stored.hour,
    {%- for name in measures %}
    0 as {{ name }},
    0 as before_{{ name }},
    {%- endfor %}
  from {{ this }} as stored
  left join sums using (city, hour)
  where {{ loaded_since('stored.loaded_at') }} and sums.city is null
  {%- endif %}
)

select
  city,
  hour,
  date(hour) as day,
  {%- for name in measures %}
  {{ name }},
  before_{{ name }},
  {%- endfor %}
  {{ loaded_at() }} as loaded_at,
  false as gone,
  [date(hour)] as touched
from changed
