{{ config(
    materialized='changes',
    unique_key=['city', 'hour'],
    partition_by={'field': 'day', 'data_type': 'date'},
    cluster_by=['city'],
) }}
{%- set fetched = fetched_days() %}
select
  city,
  hour,
  date(hour) as day,
  temperature_c,
  precipitation_mm,
  wind_speed_kmh,
  precipitation_mm >= 0.1 as is_wet,
  false as gone,
  [date(hour)] as touched
from {{ ref('stg_weather') }}
{%- if is_increment() %}
where {{ in_partitions('date(hour)', 'date', values_of(fetched)) }}
{%- endif %}
