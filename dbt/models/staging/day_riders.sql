{{ config(
    materialized='changes',
    unique_key=['city', 'day'],
    partition_by={'field': 'day', 'data_type': 'date'},
    cluster_by=['loaded_at', 'city'],
    sums=['riders'],
) }}
with sums as (
  select
    city,
    day,
    cast(countif(trips > 0) as int64) as riders,
    cast(countif(if({{ loaded_since() }}, before_trips, trips) > 0) as int64) as before_riders
  from {{ ref('rider_days') }}
  {%- if is_increment() %}
  where {{ loaded_since() }}
  {%- endif %}
  group by city, day
),

changed as (
  select * from sums
  {%- if is_increment() %}
  union all
  -- What a run that failed has counted, and counts no longer.
  select stored.city, stored.day, 0 as riders, 0 as before_riders
  from {{ this }} as stored
  left join sums using (city, day)
  where {{ loaded_since('stored.loaded_at') }} and sums.city is null
  {%- endif %}
)

select
  city,
  day,
  riders,
  before_riders,
  {{ loaded_at() }} as loaded_at,
  false as gone,
  [day] as touched
from changed
