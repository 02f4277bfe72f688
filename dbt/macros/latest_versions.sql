{#-
  The latest version of each key of a table that Datastream writes append-only, with the deleted ones as tombstones
  (`is_deleted`): a key whose last change is DELETE or UPDATE-DELETE, the second being the old key of a row whose
  key changed. In an increment, what is stored competes with what arrived, so late and repeated rows change nothing.

  `day`: an expression; `days` then collects the days on which the row has been, so that those who aggregate by
  day know which ones to count again.
-#}
{% macro latest_versions(table, key, columns, day=none) %}
{%- set arrived = 'true' -%}
{%- set stored = 'false' -%}
{%- if is_increment() -%}
  {%- set ranges = values_of(
    'select distinct ' ~ key_range(key) ~ ' as key_range from ' ~ table ~ ' where ' ~ arrived_since()
  ) -%}
  {%- set stored = in_partitions(key, 'int64', ranges) -%}
  {%- set arrived = arrived_since() ~ ' and ' ~ stored -%}
{%- endif -%}
with versions as (
  select
    {{ key }},
    {%- for name, type in columns.items() %}
    cast({{ name }} as {{ type }}) as {{ name }},
    {%- endfor %}
    datastream_metadata.source_timestamp,
    datastream_metadata.change_sequence_number,
    ifnull(datastream_metadata.change_type in ('DELETE', 'UPDATE-DELETE'), false) as is_deleted,
    false as is_stored
  from {{ table }}
  where {{ arrived }}
  {%- if is_increment() %}
  union all
  select
    {{ key }},
    {%- for name in columns %}
    {{ name }},
    {%- endfor %}
    source_timestamp,
    change_sequence_number,
    is_deleted,
    true as is_stored
  from {{ this }}
  where {{ stored }}
  {%- endif %}
),

latest as (
  select *
  from versions
  where true
  qualify row_number() over (
    partition by {{ key }} order by source_timestamp desc, change_sequence_number desc, is_stored desc
  ) = 1
)

select
  latest.{{ key }},
  {%- for name in columns %}
  latest.{{ name }},
  {%- endfor %}
  latest.source_timestamp,
  latest.change_sequence_number,
  latest.is_deleted,
  {%- if day %}
  {%- if is_increment() %}
  case
    when {{ day }} is null or {{ day }} in unnest(before.days) then ifnull(before.days, [])
    else array_concat(ifnull(before.days, []), [{{ day }}])
  end as days,
  {%- else %}
  if({{ day }} is null, [], [{{ day }}]) as days,
  {%- endif %}
  {%- endif %}
  {{ loaded_at() }} as loaded_at,
  false as gone,
  [{{ key_range('latest.' ~ key) }}] as touched
from latest
{%- if day and is_increment() %}
left join (select {{ key }}, days from {{ this }} where {{ stored }}) as before using ({{ key }})
{%- endif %}
where not latest.is_stored
{% endmacro %}
