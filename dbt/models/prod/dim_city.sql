{{ config(materialized='view') }}
select city, latitude, longitude
from unnest([
  struct('Berlin' as city, 52.52 as latitude, 13.41 as longitude),
  struct('Hamburg' as city, 53.55 as latitude, 9.99 as longitude),
  struct('Munich' as city, 48.14 as latitude, 11.58 as longitude),
  struct('Cologne' as city, 50.94 as latitude, 6.96 as longitude),
  struct('Vienna' as city, 48.21 as latitude, 16.37 as longitude),
  struct('Zurich' as city, 47.37 as latitude, 8.54 as longitude),
  struct('Amsterdam' as city, 52.37 as latitude, 4.90 as longitude),
  struct('Copenhagen' as city, 55.68 as latitude, 12.57 as longitude)
])
