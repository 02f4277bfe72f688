{#-
  A table that is kept up to date by merging what changed.

  The model selects the table's columns and two more: `gone BOOL`, the row is to be deleted, and `touched ARRAY`, the
  partitions of the table in which the row is or was. dbt's own incremental models neither delete nor prune by
  partitions that are known at run time only. What else a model may say:

  - `version`: columns that order the versions of a row. A stored row that is newer stays.
  - `inserts_only`: a stored row stays, whatever the model selects.
  - `before`: columns of which the table also has what they were when the last successful run began, as `before_…`. So
    a run that failed half way can be repeated: it begins again from there.
  - `sums`: columns, with such copies, that go on by what the model selects for them less what it selects for the copy.
  - `collects`: an array to which the elements of the new one are added.
  - `keeps`: a column whose stored value stays when the new one is NULL.
  - `reads_log`: the raw table whose backfills are remembered when they are merged.

  An increment computes what the model selects once, into a temporary table.
-#}
{% materialization changes, adapter='bigquery', supported_languages=['sql'] %}
  {%- set table = this.incorporate(type='table') -%}
  {%- set log = config.get('reads_log') -%}
  {{ run_hooks(pre_hooks) }}

  {%- if is_increment() -%}
    {%- do merge_changes(table) -%}
  {%- else -%}
    {%- do make_anew(table, load_relation(this)) -%}
  {%- endif -%}
  {%- if log -%}
    {%- do record_backfills(log, memory()['backfills']) -%}
  {%- endif -%}
  {%- do drop_own_temporary_tables() -%}

  {{ run_hooks(post_hooks) }}
  {% do persist_docs(table, model) %}
  {{ return({'relations': [table]}) }}
{% endmaterialization %}

{#-
  Make the table from all that there is. A table with policy tags carries them before its first row. The others are
  replaced by one statement, which may read what it replaces; one that BigQuery cannot replace, because it is laid out
  otherwise, lies whole in the vault while it is dropped and made again, see `recover_tables`.
-#}
{% macro make_anew(table, existing) %}
  {%- set partition = adapter.parse_partition_by(config.get('partition_by')) -%}
  {%- set rows = 'select * except (gone, touched) from (' ~ model['compiled_code'] ~ ') where not gone' -%}
  {%- set tagged = model['columns'].values() | selectattr('policy_tags') | list | length > 0 -%}
  {%- set whole = none -%}
  {%- set before = [] -%}
  {%- if existing is not none -%}
    {%- set before = adapter.get_columns_in_relation(existing) | map(attribute='name') | list -%}
    {%- do record_definition('') -%}
    {%- if not adapter.is_replaceable(existing, partition, config.get('cluster_by')) -%}
      {%- if not tagged -%}
        {%- set whole = temporary_table('whole') -%}
        {%- do run_query('create or replace table ' ~ whole ~ ' as ' ~ rows) -%}
        {%- set rows = 'select * from ' ~ whole -%}
      {%- endif -%}
      {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
  {%- endif -%}
  {%- if tagged -%}
    {%- do run_query(create_table_as(False, table, 'select * from (' ~ rows ~ ') where false')) -%}
    {%- do adapter.update_columns(table, model['columns']) -%}
    {%- set columns = adapter.get_columns_in_relation(table) | map(attribute='name') | join(', ') -%}
    {%- call statement('main') -%}
      insert into {{ table }} ({{ columns }}) select {{ columns }} from ({{ rows }})
    {%- endcall -%}
  {%- else -%}
    {%- call statement('main') -%}
      {{ create_table_as(False, table, rows) }}
    {%- endcall -%}
  {%- endif -%}
  {%- if whole is not none -%}
    {%- do run_query('drop table if exists ' ~ whole) -%}
  {%- endif -%}
  {%- do record_definition(definition()) -%}
  {%- if existing is not none -%}
    {%- do tell_rebuilt(before, adapter.get_columns_in_relation(table) | map(attribute='name') | list) -%}
  {%- endif -%}
{% endmacro %}

{#- Say that a table was made anew, why, and which columns came and went; jobs/dbt takes it into the step's message. -#}
{% macro tell_rebuilt(before, after) %}
  {%- set changes = [] -%}
  {%- for name in after if name not in before -%}{%- do changes.append('+ column ' ~ name) -%}{%- endfor -%}
  {%- for name in before if name not in after -%}{%- do changes.append('- column ' ~ name) -%}{%- endfor -%}
  {%- do log(
    'rebuilt ' ~ model.name ~ ': ' ~ rebuild_reason() ~ (' (' ~ changes | join(', ') ~ ')' if changes else ''), info=true
  ) -%}
{% endmacro %}

{#- Merge what the model selects; nothing if that is nothing. -#}
{% macro merge_changes(table) %}
  {%- set keys = config.get('unique_key') -%}
  {%- set keys = [keys] if keys is string else keys -%}
  {%- set partition = adapter.parse_partition_by(config.get('partition_by')) -%}
  {%- set inserts_only = config.get('inserts_only', false) -%}
  {%- set sums = config.get('sums', []) -%}
  {%- set copied = config.get('before', []) + sums -%}
  {%- set selected = make_temporary_table('selected', model['compiled_code']) -%}
  {%- set columns = adapter.get_columns_in_relation(selected) | rejectattr('name', 'in', ['gone', 'touched']) | list -%}
  {%- if inserts_only -%}
    {%- do add_missing_columns(table, columns) -%}
  {%- endif -%}
  {%- set columns = columns | map(attribute='name') | list -%}
  {%- set key = keys[0] -%}
  {%- set touched = run_query(
    "select part, concat('=', cast(min(" ~ key ~ ") as string)) as first, concat('=', cast(max(" ~ key ~ ") as string))"
    ~ ' as last from ' ~ selected ~ ', unnest(touched) as part group by part'
  ) -%}
  {%- if touched | length == 0 -%}
    {%- call noop_statement('main', 'nothing changed', 'MERGE', 0) -%}
      -- nothing changed
    {%- endcall -%}
    {{- return('') -}}
  {%- endif -%}
  {%- set pruned = in_partitions('target.' ~ partition.field, partition.data_type, touched.columns['part'].values() | list) -%}
  {%- if inserts_only -%}
    {%- set pruned = '(' ~ pruned ~ ' or target.' ~ partition.field ~ ' is null)' -%}
  {%- elif partition.field == 'key_bucket' -%}
    {%- set pruned = pruned ~ ' and ' ~ in_key_range('target.' ~ key, selected, touched) -%}
  {%- endif -%}
  {%- call statement('main') -%}
    merge into {{ table }} as target
    using {{ selected }} as source
    on {% for key in keys %}target.{{ key }} = source.{{ key }} and {% endfor %}{{ pruned }}
    {%- if not inserts_only %}
    when matched and source.gone then delete
    when matched{{ ' and ' ~ newer(config.get('version')) if config.get('version') }} then update set
      {%- for column in columns %} {{ column }} = {{ merged_value(column, copied, sums) }}{{ ',' if not loop.last }}{% endfor %}
    {%- endif %}
    when not matched and not source.gone then insert ({{ columns | join(', ') }})
      values ({% for column in columns %}
        {%- if column in sums -%}
          source.{{ column }} - source.before_{{ column }}
        {%- elif column.startswith('before_') and column[7:] in sums -%}
          0
        {%- else -%}
          source.{{ column }}
        {%- endif -%}
        {{ ', ' if not loop.last }}{% endfor %})
  {%- endcall -%}
{% endmacro %}

{#- The condition that the source's version is newer than the target's. -#}
{% macro newer(version) %}
  {%- set conditions = [] -%}
  {%- for column in version -%}
    {%- set equal = [] -%}
    {%- for earlier in version[:loop.index0] -%}
      {%- do equal.append('source.' ~ earlier ~ ' = target.' ~ earlier ~ ' and ') -%}
    {%- endfor -%}
    {%- do conditions.append(equal | join ~ 'source.' ~ column ~ ' > target.' ~ column) -%}
  {%- endfor -%}
  {{ return('(' ~ conditions | join(' or ') ~ ')') }}
{% endmacro %}

{#- What a column of a stored row becomes. -#}
{% macro merged_value(column, copied, sums) %}
  {%- set new, old = 'source.' ~ column, 'target.' ~ column -%}
  {%- set stored = column[7:] if column.startswith('before_') and column[7:] in copied else (column if column in sums else none) -%}
  {%- if stored is not none -%}
    {%- set base = 'if(' ~ loaded_since('target.loaded_at') ~ ', target.before_' ~ stored ~ ', target.' ~ stored ~ ')' -%}
    {{- return(base ~ (' + source.' ~ column ~ ' - source.before_' ~ column if column in sums else '')) -}}
  {%- elif column == config.get('collects') -%}
    {{- return('array_concat(' ~ old ~ ', array(select item from unnest(' ~ new ~ ') as item where item not in unnest(' ~ old ~ ')))') -}}
  {%- elif column == config.get('keeps') -%}
    {{- return('ifnull(' ~ new ~ ', ' ~ old ~ ')') -}}
  {%- endif -%}
  {{- return(new) -}}
{% endmacro %}

{#- The condition that a key lies between the first and the last one that changed: tables are clustered by it. -#}
{% macro in_key_range(column, selected, touched) %}
  {%- set name = column.split('.') | last -%}
  {%- set type = (adapter.get_columns_in_relation(selected) | selectattr('name', 'equalto', name) | first).dtype -%}
  {%- set bounds = [] -%}
  {%- for values in (touched.columns['first'].values(), touched.columns['last'].values()) -%}
    {%- set values = values | map('replace', '=', '', 1) | list -%}
    {%- if type in ('INT64', 'INTEGER') -%}{%- set values = values | map('int') | list -%}{%- endif -%}
    {%- do bounds.append(values | min if loop.first else values | max) -%}
  {%- endfor -%}
  {%- if type not in ('INT64', 'INTEGER') -%}
    {%- set bounds = [text_literal(bounds[0]), text_literal(bounds[1])] -%}
  {%- endif -%}
  {{- return(column ~ ' between ' ~ bounds[0] ~ ' and ' ~ bounds[1]) -}}
{% endmacro %}

{#- Add what a model selects more than its table has, which is never made anew; old rows have NULL there. The API adds a
    column to BigQuery's table and to what the emulator says of its own; the statement adds it to the emulator's table,
    and finds it in BigQuery's. -#}
{% macro add_missing_columns(table, columns) %}
  {%- set there = adapter.get_columns_in_relation(table) | map(attribute='name') | list -%}
  {%- set missing = columns | rejectattr('name', 'in', there) | list -%}
  {%- if missing -%}
    {%- do adapter.alter_table_add_columns(table, missing) -%}
    {%- for column in missing -%}
      {%- do run_query('alter table ' ~ table ~ ' add column if not exists ' ~ column.name ~ ' ' ~ column.data_type) -%}
    {%- endfor -%}
    {%- do log('widened ' ~ model.name ~ ': (+ column ' ~ missing | map(attribute='name') | join(', + column ') ~ ')', info=true) -%}
  {%- endif -%}
{% endmacro %}
