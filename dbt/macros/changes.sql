{#-
  A table that is kept up to date by merging what changed.

  The model selects the table's columns and two more: `gone BOOL`, the row is to be deleted, and `touched ARRAY`, the
  partitions of the table in which the row is or was (days, or numbers of key ranges). dbt's own incremental models
  neither delete nor prune by partitions that are known at run time only.

  What the model selects is computed once, into a table of the vault, where nobody else reads: it may hold personal
  data, and a table has no policy tags when it is new. So a full refresh may read the table that it replaces, too.
-#}
{% materialization changes, adapter='bigquery', supported_languages=['sql'] %}
  {%- set existing = load_relation(this) -%}
  {%- set table = this.incorporate(type='table') -%}
  {%- set keys = config.require('unique_key') -%}
  {%- set keys = [keys] if keys is string else keys -%}
  {%- set partition = adapter.parse_partition_by(config.require('partition_by')) -%}

  {{ run_hooks(pre_hooks) }}

  {%- set selected = make_temp_relation(this).incorporate(path={'schema': 'vault'}, type='table') -%}
  {%- if existing is not none -%}
    {%- do run_query(
      'create table ' ~ selected
      ~ ' options (expiration_timestamp = timestamp_add(current_timestamp(), interval 12 hour)) as ' ~ compiled_code
    ) -%}
  {%- endif -%}

  {%- if not is_increment() -%}
    {%- if existing is not none and not adapter.is_replaceable(existing, partition, config.get('cluster_by')) -%}
      {% do adapter.drop_relation(existing) %}
    {%- endif -%}
    {%- set rows = selected if existing is not none else '(' ~ compiled_code ~ ')' -%}
    {%- call statement('main') -%}
      {{ create_table_as(False, table, 'select * except (gone, touched) from ' ~ rows ~ ' where not gone') }}
    {%- endcall -%}
  {%- else -%}
    {%- set touched = values_of('select distinct part from ' ~ selected ~ ', unnest(touched) as part') -%}
    {%- if touched -%}
      {%- set columns = adapter.get_columns_in_relation(table) | map(attribute='name') | list -%}
      {%- call statement('main') -%}
        merge into {{ table }} as target
        using {{ selected }} as source
        on {% for key in keys %}target.{{ key }} = source.{{ key }} and {% endfor -%}
          {{ in_partitions('target.' ~ partition.field, partition.data_type, touched) }}
        when matched and source.gone then delete
        when matched then update set
          {%- for column in columns %} {{ column }} = source.{{ column }}{{ ',' if not loop.last }}{% endfor %}
        when not matched and not source.gone then insert ({{ columns | join(', ') }})
          values ({% for column in columns %}source.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
      {%- endcall -%}
    {%- else -%}
      {%- call noop_statement('main', 'nothing changed', 'MERGE', 0) -%}
        -- nothing changed
      {%- endcall -%}
    {%- endif -%}
  {%- endif -%}
  {%- if existing is not none -%}
    {% do adapter.drop_relation(selected) %}
  {%- endif -%}

  {{ run_hooks(post_hooks) }}
  {% do persist_docs(table, model) %}
  {{ return({'relations': [table]}) }}
{% endmaterialization %}
