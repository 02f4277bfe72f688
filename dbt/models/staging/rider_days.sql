{{ config(
    materialized='changes',
    unique_key=['customer_id', 'city', 'day'],
    partition_by={'field': 'day', 'data_type': 'date'},
    cluster_by=['loaded_at', 'customer_id'],
    sums=['trips'],
) }}
with images as (
  {{ trip_images() }}
),

sums as (
  select
    city,
    date(requested_at) as day,
    customer_id,
    cast(countif(now) as int64) as trips,
    cast(countif(was) as int64) as before_trips
  from images
  where status = 'completed' and customer_id is not null
  group by city, day, customer_id
),

changed as (
  select * from sums
  {%- if is_increment() %}
  union all
  -- What a run that failed has counted, and counts no longer.
  select stored.city, stored.day, stored.customer_id, 0 as trips, 0 as before_trips
  from {{ this }} as stored
  left join sums using (city, day, customer_id)
  where {{ loaded_since('stored.loaded_at') }} and sums.city is null
  {%- endif %}
)

select
  city,
  day,
  customer_id,
  trips,
  before_trips,
  {{ loaded_at() }} as loaded_at,
  false as gone,
  [day] as touched
from changed
