-- Without fetched_at: a second fetch that saw the same weather changes nothing.
select city, hour, temperature_c, precipitation_mm, wind_speed_kmh
from {{ source('raw', 'weather') }}
where true
qualify row_number() over (partition by city, hour order by fetched_at desc, run_id desc) = 1
