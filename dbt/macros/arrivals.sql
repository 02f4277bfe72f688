{#-
  What arrived in a table that Datastream writes append-only, read once, into a temporary table: every version, typed.

  Left out are the rows of a backfill that an earlier run has merged: on the day after a backfill its partition is read
  again, because changes arrived in it afterwards. A column that the table does not have yet is NULL: Datastream adds it
  with the first row that has it.
-#}
{% macro make_arrivals(table, key, columns, merged_backfills) %}
  {{ return(make_temporary_table('arrived', arrivals(table, key, columns, arrived_since(), merged_backfills))) }}
{% endmacro %}

{#- The query of all versions in the raw table, or of those that a condition finds. -#}
{% macro arrivals(table, key, columns, condition='true', merged_backfills=[]) %}
  {%- set missing = missing_columns(table, columns) -%}
  {%- set query -%}
    select
      {{ key }},
      {%- for name, type in columns.items() %}
      cast({{ 'null' if name in missing else name }} as {{ type }}) as {{ name }},
      {%- endfor %}
      datastream_metadata.uuid as event,
      datastream_metadata.source_timestamp as source_timestamp,
      datastream_metadata.change_sequence_number as change_sequence_number,
      datastream_metadata.change_type as change_type
    from {{ table }}
    where {{ condition }}
    {%- if merged_backfills %}
      and ifnull(datastream_metadata.uuid, '') not in (
        {%- for backfill in merged_backfills %}{{ text_literal(backfill['uuid']) }}{{ ', ' if not loop.last }}{% endfor -%}
      )
    {%- endif %}
  {%- endset -%}
  {{ return(query) }}
{% endmacro %}

{#- The columns that the model declares and the raw table lacks, by now. -#}
{% macro missing_columns(table, columns) %}
  {%- set missing = [] -%}
  {%- if execute and not model.get('canonical') -%}
    {%- set there = adapter.get_columns_in_relation(table) | map(attribute='name') | map('lower') | list -%}
    {%- for name in columns if name not in there -%}
      {%- do missing.append(name) -%}
      {%- do log('NULL for now: ' ~ table ~ ' has no column ' ~ name ~ ' until a row arrives that has it', info=true) -%}
    {%- endfor -%}
  {%- endif -%}
  {{ return(missing) }}
{% endmacro %}

{#- The backfills of a raw table that were merged. -#}
{% macro known_backfills(table) %}
  {{ return(backfills_of(
    'select uuid, source_timestamp, change_sequence_number from ' ~ bookkeeping_table('raw_backfills')
    ~ ' where source_table = ' ~ text_literal(table.identifier)
  )) }}
{% endmacro %}

{#-
  Find the backfills among versions. All rows of a backfill have one uuid, and those of other events have each their
  own: what one uuid brought for more than one key is a backfill. One of a single row cannot be told from an insert;
  nothing follows from it then.
-#}
{% macro find_backfills(versions, key) %}
  {{ return(backfills_of(
    'select event as uuid, max(source_timestamp) as source_timestamp, max(change_sequence_number) as'
    ~ ' change_sequence_number from (' ~ versions ~ ") as versions where change_type = 'INSERT'"
    ~ ' group by event having min(' ~ key ~ ') < max(' ~ key ~ ')'
  )) }}
{% endmacro %}

{#- The rows of a query of backfills. The signs keep texts that look like numbers from being taken for such. -#}
{% macro backfills_of(query) %}
  {%- set found = [] -%}
  {%- for row in run_query(
    "select concat('=', uuid) as uuid, source_timestamp, concat('=', change_sequence_number) as number from (" ~ query ~ ')'
  ) -%}
    {%- do found.append({
      'uuid': row['uuid'][1:],
      'source_timestamp': row['source_timestamp'] | int,
      'change_sequence_number': row['number'][1:],
    }) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{#- Remember backfills: after their rows were merged, and not before. -#}
{% macro record_backfills(table, backfills) %}
  {%- for backfill in backfills -%}
    {%- do run_query(
      'insert into ' ~ bookkeeping_table('raw_backfills')
      ~ ' (source_table, uuid, source_timestamp, change_sequence_number, found_at) values ('
      ~ [text_literal(table), text_literal(backfill['uuid']), backfill['source_timestamp'],
         text_literal(backfill['change_sequence_number']), loaded_at()] | join(', ') ~ ')'
    ) -%}
  {%- endfor -%}
{% endmacro %}

{#- The condition that a version is older than a backfill. -#}
{% macro older_than(backfill) %}
  {%- set timestamp = backfill['source_timestamp'] -%}
  {%- set number = text_literal(backfill['change_sequence_number']) -%}
  {{- return(
    '(source_timestamp < ' ~ timestamp ~ ' or (source_timestamp = ' ~ timestamp
    ~ ' and change_sequence_number < ' ~ number ~ '))'
  ) -}}
{% endmacro %}

{#-
  By new key: the key that the row had before, also over several changes of it. Datastream writes a change of a key as
  the UPDATE-DELETE of the old one, followed by the UPDATE-INSERT of the new one, in one transaction. Where two could
  follow, the row counts as new.
-#}
{% macro make_moves(versions, key) %}
  {%- set query -%}
    with recursive versions as (
      select distinct {{ key }} as key, source_timestamp, change_sequence_number, change_type
      from ({{ versions }}) as versions
      where change_type in ('UPDATE-DELETE', 'UPDATE-INSERT')
    ),

    counted as (
      select
        *,
        sum(if(change_type = 'UPDATE-DELETE', 1, 0)) over (partition by source_timestamp, change_sequence_number) as deletes,
        sum(if(change_type = 'UPDATE-INSERT', 1, 0)) over (partition by source_timestamp, change_sequence_number) as inserts
      from versions
    ),

    followed as (
      select
        *,
        lead(key) over (partition by source_timestamp order by change_sequence_number, change_type) as new_key,
        lead(change_type) over (partition by source_timestamp order by change_sequence_number, change_type) as next_type,
        lead(inserts) over (partition by source_timestamp order by change_sequence_number, change_type) as next_inserts
      from counted
    ),

    moves as (
      select key as old_key, new_key, row_number() over (order by source_timestamp, change_sequence_number) as step
      from followed
      where change_type = 'UPDATE-DELETE' and next_type = 'UPDATE-INSERT' and deletes = 1 and next_inserts = 1
    ),

    linked as (
      select moves.step, moves.old_key, moves.new_key, max(earlier.step) as previous
      from moves
      left join moves as earlier on earlier.new_key = moves.old_key and earlier.step < moves.step
      group by moves.step, moves.old_key, moves.new_key
    ),

    traced as (
      select step, new_key, old_key, previous from linked
      union all
      select traced.step, traced.new_key, linked.old_key, linked.previous
      from traced
      inner join linked on linked.step = traced.previous
    )

    select new_key as key, old_key as moved_from
    from traced
    where previous is null
    qualify row_number() over (partition by new_key order by step desc) = 1
  {%- endset -%}
  {{ return(make_temporary_table('moves', query)) }}
{% endmacro %}
