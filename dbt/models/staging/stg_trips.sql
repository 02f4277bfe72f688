select
  trip_id,
  customer_id,
  city,
  vehicle_type,
  status,
  requested_at,
  started_at,
  ended_at,
  distance_km,
  fare,
  updated_at
from {{ ref('latest_trips') }}
where not is_deleted
