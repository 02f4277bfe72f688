{#-
  When a table is made anew from all that there is, by rule:

  - its definition changed: the model's SQL as a full refresh would run it, with the macros in it, or that of a view
    beneath, or how the table is laid out. A column that is added has its values in all rows then;
  - a table that it is made from was made anew after it;
  - it was asked for, by dbt's --full-refresh or the variable `full_refresh`;
  - it keeps sums, and no run before is known that they could go on from.

  A model with `full_refresh=false` never is: it holds what only it knows. `staging.model_definitions` has a row for each
  time that a table was made; an empty definition says that it was about to be.
-#}

{#- Why the model's table is to be made anew, in words; none if it is not. Asked once a run. -#}
{% macro rebuild_reason() %}
  {%- if 'rebuild_reason' not in memory() -%}
    {%- do memory().update({'rebuild_reason': find_rebuild_reason()}) -%}
  {%- endif -%}
  {{ return(memory()['rebuild_reason']) }}
{% endmacro %}

{#- What a model has found out in this run: dbt renders it more than once, each time with variables of its own, but all
    see the same graph. -#}
{% macro memory() %}
  {{ return(graph.setdefault(invocation_id ~ ' ' ~ model['unique_id'], {})) }}
{% endmacro %}

{% macro find_rebuild_reason() %}
  {%- if not stands() or config.get('full_refresh') == false -%}{{- return(none) -}}{%- endif -%}
  {%- if should_full_refresh() or var('full_refresh') in ('*', model.name) -%}{{- return('as asked') -}}{%- endif -%}
  {%- set tables = tables_beneath(model) -%}
  {%- set known = known_definitions([model.name] + tables) -%}
  {%- set own = known.get(model.name, {'definition': ''}) -%}
  {%- if own['definition'] != definition() -%}{{- return('its definition changed') -}}{%- endif -%}
  {%- for table in tables if table in known and known[table]['made_at'] > own['made_at'] -%}
    {{- return(table ~ ' was rebuilt') -}}
  {%- endfor -%}
  {%- if config.get('sums') and not var('since') -%}{{- return('no run before is known') -}}{%- endif -%}
  {{- return(none) -}}
{% endmacro %}

{#- What the table is made by, as a hash. White space and comments do not count. -#}
{% macro definition() %}
  {%- do model.update({'canonical': true}) -%}
  {%- set parts = [render(model['raw_code'])] -%}
  {%- do model.update({'canonical': false}) -%}
  {%- for view in views_beneath(model) -%}{%- do parts.append(view['raw_code']) -%}{%- endfor -%}
  {%- do parts.append([config.get('partition_by'), config.get('cluster_by')] | tojson) -%}
  {%- set text = modules.re.sub('--[^\n]*', '', parts | join(' ')) -%}
  {{ return('md5:' ~ local_md5(modules.re.sub('\s+', ' ', text).strip())) }}
{% endmacro %}

{% macro models_beneath(node) %}
  {%- set found = [] -%}
  {%- for id in node['depends_on']['nodes'] if id in graph['nodes'] -%}{%- do found.append(graph['nodes'][id]) -%}{%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{#- The views that a model reads, and those beneath them. -#}
{% macro views_beneath(node) %}
  {%- set found = [] -%}
  {%- for below in models_beneath(node) if below['config']['materialized'] == 'view' -%}
    {%- do found.append(below) -%}
    {%- do found.extend(views_beneath(below)) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{#- The names of the tables that a model reads, also through views. -#}
{% macro tables_beneath(node) %}
  {%- set found = [] -%}
  {%- for reader in [node] + views_beneath(node) -%}
    {%- for below in models_beneath(reader) if below['config']['materialized'] == 'changes' and below['name'] not in found -%}
      {%- do found.append(below['name']) -%}
    {%- endfor -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro bookkeeping_table(name) %}
  {{ return(api.Relation.create(database=target.project, schema='staging', identifier=name, type='table')) }}
{% endmacro %}

{#- By model: its definition, and the run that made its table. -#}
{% macro known_definitions(names) %}
  {%- set found = {} -%}
  {%- for row in run_query(
    "select model, definition, cast(made_at as string) as made_at from " ~ bookkeeping_table('model_definitions')
    ~ " where model in ('" ~ names | join("', '") ~ "')"
    ~ " qualify row_number() over (partition by model order by recorded_at desc) = 1"
  ) -%}
    {%- do found.update({row['model']: {'definition': row['definition'] or '', 'made_at': row['made_at']}}) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro record_definition(definition) %}
  {%- do run_query(
    'insert into ' ~ bookkeeping_table('model_definitions') ~ ' (model, definition, made_at, recorded_at) values ('
    ~ text_literal(model.name) ~ ', ' ~ text_literal(definition) ~ ', ' ~ loaded_at() ~ ', current_timestamp())'
  ) -%}
{% endmacro %}

{#- Before the first model: refuse a full refresh of what is no table, and leave nothing of a run that was cut off. -#}
{% macro begin_run() %}
  {%- if execute and flags.WHICH in ('run', 'build') -%}
    {%- do require_refreshable(var('full_refresh')) -%}
    {%- do run_query(
      'create table if not exists ' ~ bookkeeping_table('model_definitions')
      ~ ' (model string, definition string, made_at timestamp, recorded_at timestamp)'
    ) -%}
    {%- do run_query(
      'create table if not exists ' ~ bookkeeping_table('raw_backfills') ~ ' (source_table string, uuid string,'
      ~ ' source_timestamp int64, change_sequence_number string, found_at timestamp)'
    ) -%}
    {%- do recover_tables() -%}
    {%- do drop_temporary_tables() -%}
  {%- endif -%}
{% endmacro %}

{% macro require_refreshable(name) %}
  {%- set refreshable = [] -%}
  {%- for node in graph['nodes'].values() if node['config']['materialized'] == 'changes' and node['config']['full_refresh'] != false -%}
    {%- do refreshable.append(node['name']) -%}
  {%- endfor -%}
  {%- if name and name != '*' and name not in refreshable -%}
    {%- do exceptions.raise_compiler_error(
      'no full refresh of ' ~ name ~ ': the tables that can be made anew are ' ~ refreshable | sort | join(', ')
    ) -%}
  {%- endif -%}
{% endmacro %}

{#- Tables that were dropped to be laid out anew and never came back, see `make_anew`. Their models then find a table
    whose definition is unknown, and make it anew from what it holds. -#}
{% macro recover_tables() %}
  {%- for name in left_over() if name.endswith('__whole') -%}
    {%- set whole = api.Relation.create(database=target.project, schema='vault', identifier=name, type='table') -%}
    {%- for node in graph['nodes'].values() if node['name'] ~ '__whole' == name -%}
      {%- set table = api.Relation.create(database=node['database'], schema=node['schema'], identifier=node['alias'], type='table') -%}
      {%- if load_relation(table) is none -%}
        {%- do run_query('create table ' ~ table ~ ' as select * from ' ~ whole) -%}
        {%- do adapter.cache_added(table) -%}
      {%- endif -%}
    {%- endfor -%}
    {%- do run_query('drop table if exists ' ~ whole) -%}
  {%- endfor -%}
{% endmacro %}
