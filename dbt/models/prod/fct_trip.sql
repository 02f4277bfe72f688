{{ config(
    materialized='changes',
    unique_key='trip_id',
    partition_by={'field': 'trip_date', 'data_type': 'date'},
    cluster_by=['city', 'vehicle_type'],
) }}
select
  trip_id,
  customer_id,
  city,
  vehicle_type,
  status,
  date(requested_at) as trip_date,
  requested_at,
  started_at,
  ended_at,
  distance_km,
  fare,
  updated_at,
  is_deleted or requested_at is null as gone,
  days as touched
from {{ ref('latest_trips') }}
{%- if is_increment() %}
where {{ loaded_since() }}
{%- endif %}
