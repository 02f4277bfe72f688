{#-
  What a model works on for a few statements lies in a table of the vault, where nobody else reads: it may hold personal
  data, and no policy tag guards it. It is dropped when it was used, at the end of a run that failed, and at the start of
  the next one after a crash; and BigQuery itself drops it when the two statements that it is for have had their time.
-#}

{#- The temporary table of this model for one purpose. -#}
{% macro temporary_table(purpose) %}
  {{ return(api.Relation.create(
    database=target.project, schema='vault', identifier=this.identifier ~ '__' ~ purpose, type='table'
  )) }}
{% endmacro %}

{#- Make it from a query. A statement that is repeated replaces what it made. -#}
{% macro make_temporary_table(purpose, query) %}
  {%- set table = temporary_table(purpose) -%}
  {%- do run_query(
    'create or replace table ' ~ table
    ~ ' options (expiration_timestamp = timestamp_add(current_timestamp(), interval 2 hour)) as ' ~ query
  ) -%}
  {%- do memory().setdefault('temporary_tables', []).append(table) -%}
  {{ return(table) }}
{% endmacro %}

{#- Drop those that this model has made in this run. -#}
{% macro drop_own_temporary_tables() %}
  {%- for table in memory().pop('temporary_tables', []) -%}
    {%- do run_query('drop table if exists ' ~ table) -%}
  {%- endfor -%}
{% endmacro %}

{#- Drop what a run has left behind. `__whole` is not temporary: see `make_anew`. -#}
{% macro drop_temporary_tables() %}
  {%- if execute and flags.WHICH in ('run', 'build') -%}
    {%- for name in left_over() if not name.endswith('__whole') -%}
      {%- do run_query('drop table if exists ' ~ api.Relation.create(database=target.project, schema='vault', identifier=name)) -%}
    {%- endfor -%}
  {%- endif -%}
{% endmacro %}

{% macro left_over() %}
  {{ return(values_of(
    "select table_name from `" ~ target.project ~ "`.vault.INFORMATION_SCHEMA.TABLES where regexp_contains(table_name, '__')"
  )) }}
{% endmacro %}
