{{ config(
    materialized='changes',
    unique_key=['city', 'hour'],
    partition_by={'field': 'day', 'data_type': 'date'},
    cluster_by=['city'],
) }}
{#- Each fetch repeats days that were fetched before: only hours that differ are merged. -#}
{%- set fetched = fetched_days() %}
select
  weather.city,
  weather.hour,
  date(weather.hour) as day,
  weather.temperature_c,
  weather.precipitation_mm,
  weather.wind_speed_kmh,
  weather.precipitation_mm >= 0.1 as is_wet,
  false as gone,
  [date(weather.hour)] as touched
from {{ ref('stg_weather') }} as weather
{%- if is_increment() %}
{%- set days = values_of(fetched) %}
left join {{ this }} as before
  on before.city = weather.city and before.hour = weather.hour and {{ in_partitions('before.day', 'date', days) }}
where {{ in_partitions('date(weather.hour)', 'date', days) }} and (
  before.city is null
  or weather.temperature_c is distinct from before.temperature_c
  or weather.precipitation_mm is distinct from before.precipitation_mm
  or weather.wind_speed_kmh is distinct from before.wind_speed_kmh
)
{%- endif %}
