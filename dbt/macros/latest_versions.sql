{#-
  The latest version of each key of a table that Datastream writes append-only, with the deleted ones as tombstones
  (`is_deleted`): a key whose last change is DELETE or UPDATE-DELETE, the second being the old key of a row whose key
  changed; and a key that the newest backfill does not hold, though it knew it before: it was deleted while no slot kept
  the log. Only what arrived is read; `changes` merges it by position, so late and repeated rows change nothing.

  `type`: of the key, see `key_bucket`. `day`: an expression; `days` then collects the days on which the row has been, so
  that those whose partitions are days know which ones to look at. `moves`: keep where a row was moved from. `before`:
  columns of which a row also says what they were when the last successful run began, see `changes`.
-#}
{% macro latest_versions(table, key, columns, type='int64', day=none, moves=false, before=[]) %}
{%- set increment = is_increment() -%}
{%- set is_building = building() -%}
{%- set known = known_backfills(table) if is_building else [] -%}
{%- if increment -%}
  {%- set versions = 'select * from ' ~ make_arrivals(table, key, columns, known) -%}
{%- else -%}
  {%- set versions = arrivals(table, key, columns) -%}
{%- endif -%}
{%- set backfill = none -%}
{%- set closing = false -%}
{%- if is_building -%}
  {%- set found = find_backfills(versions, key) | reject('in', known) | list -%}
  {%- do memory().update({'backfills': found}) -%}
  {%- set backfill = (found + known) | sort(attribute='source_timestamp,change_sequence_number') | last -%}
  {%- set closing = increment and backfill in found -%}
  {%- if moves -%}{%- do make_moves(versions, key) -%}{%- endif -%}
{%- endif -%}
{%- set is_deleted = "ifnull(change_type in ('DELETE', 'UPDATE-DELETE'), false)" -%}
with versions as (
  {{ versions }}
),

latest as (
  select
    {{ key }},
    {%- for name in columns %}
    {{ name }},
    {%- endfor %}
    {%- if backfill %}
    if({{ older_than(backfill) }}, {{ backfill['source_timestamp'] }}, source_timestamp) as source_timestamp,
    if({{ older_than(backfill) }}, {{ text_literal(backfill['change_sequence_number']) }}, change_sequence_number)
      as change_sequence_number,
    {{ is_deleted }} or {{ older_than(backfill) }} as is_deleted
    {%- else %}
    source_timestamp,
    change_sequence_number,
    {{ is_deleted }} as is_deleted
    {%- endif %}
  from versions
  where true
  qualify row_number() over (
    partition by {{ key }} order by source_timestamp desc, change_sequence_number desc, change_type
  ) = 1
)
{%- if closing %},

closed as (
  select
    stored.{{ key }},
    {%- for name in columns %}
    stored.{{ name }},
    {%- endfor %}
    {{ backfill['source_timestamp'] }} as source_timestamp,
    {{ text_literal(backfill['change_sequence_number']) }} as change_sequence_number,
    true as is_deleted
  from (select * from {{ this }} where not is_deleted and {{ older_than(backfill) }}) as stored
  left join latest using ({{ key }})
  where latest.{{ key }} is null
),

changed as (
  select * from latest
  union all
  select * from closed
)
{%- endif %}

select
  changed.{{ key }},
  {{ key_bucket('changed.' ~ key, type) }} as key_bucket,
  {%- for name in columns %}
  changed.{{ name }},
  {%- endfor %}
  changed.source_timestamp,
  changed.change_sequence_number,
  changed.is_deleted,
  {%- if day %}
  if({{ day }} is null, [], [{{ day }}]) as days,
  {%- endif %}
  {%- if moves %}
  {{ 'moves.moved_from' if is_building else 'cast(null as ' ~ type ~ ')' }} as moved_from,
  {%- endif %}
  {%- for name in before %}
  {{ 'true' if name == 'is_deleted' else 'cast(null as ' ~ columns[name] ~ ')' }} as before_{{ name }},
  {%- endfor %}
  {{ loaded_at() }} as loaded_at,
  false as gone,
  [{{ key_bucket('changed.' ~ key, type) }}] as touched
from {{ 'changed' if closing else 'latest as changed' }}
{%- if moves and is_building %}
left join {{ temporary_table('moves') }} as moves on moves.key = changed.{{ key }}
{%- endif %}
{% endmacro %}
