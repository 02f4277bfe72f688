{#- What an increment reads. The bounds are literals in the SQL: BigQuery prunes partitions by literals only. -#}

{#- True while a model is built. What `dbt compile` shows, and what `definition` looks at, is what a full refresh runs. -#}
{% macro building() %}
  {{ return(execute and flags.WHICH in ('run', 'build') and not model.get('canonical')) }}
{% endmacro %}

{#- True when an earlier run has made the model's table. -#}
{% macro stands() %}
  {{ return(building() and load_relation(this) is not none) }}
{% endmacro %}

{#- True when only what changed has to be merged into the model's table. -#}
{% macro is_increment() %}
  {{ return(stands() and not rebuild_reason()) }}
{% endmacro %}

{#- The time stamp of this run, as a literal. -#}
{% macro loaded_at() %}
  {%- if model.get('canonical') -%}{{- return('loaded_at') -}}{%- endif -%}
  {{- return("timestamp '" ~ (var('loaded_at') or run_started_at.isoformat()) ~ "'") -}}
{% endmacro %}

{#- Rows of our own tables that were merged after the last successful run, whose own rows carry the moment that it
    began. A run that failed half way leaves rows that the next one takes up here. -#}
{% macro loaded_since(column='loaded_at') %}
  {%- if model.get('canonical') -%}{{- return('since') -}}{%- endif -%}
  {{- return(column ~ " > timestamp '" ~ var('since') ~ "'" if var('since') else 'true') -}}
{% endmacro %}

{#- Rows of an ingestion-time partitioned table that may have arrived since then, however late: what counts is when
    a row arrived, not when it was committed. Rows in the streaming buffer have no partition yet. The hour is for
    clocks that differ, and for a row that was not yet to be seen in the minute in which it was put into its day. -#}
{% macro arrived_since() %}
  {%- if not var('since') -%}{{- return('true') -}}{%- endif -%}
  {%- set since = modules.datetime.datetime.fromisoformat(var('since')) - modules.datetime.timedelta(hours=1) -%}
  {{- return("(_partitiontime >= timestamp '" ~ since.strftime('%Y-%m-%d') ~ "' or _partitiontime is null)") -}}
{% endmacro %}

{#- The first column of a query, as a list. -#}
{% macro values_of(query) %}
  {{ return(run_query(query).columns[0].values() | list) }}
{% endmacro %}

{#- A condition with literals that holds for the rows of these partitions: days, or numbers. -#}
{% macro in_partitions(column, data_type, values) %}
  {%- if not values -%}{{- return('false') -}}{%- endif -%}
  {%- set literals = [] -%}
  {%- for value in values | sort -%}
    {%- do literals.append((value | int) if data_type == 'int64' else "date '" ~ value ~ "'") -%}
  {%- endfor -%}
  {{- return(column ~ ' in (' ~ literals | join(', ') ~ ')') -}}
{% endmacro %}

{#- The query of the days whose weather was fetched since then. It prunes nothing: a run for a day long ago fetches
    that day, and the two columns of a row a city, hour and fetch are small. -#}
{% macro fetched_days() %}
  {%- set query = 'select distinct date(hour) as day from ' ~ source('raw', 'weather') -%}
  {%- if var('since') -%}
    {%- set query = query ~ " where fetched_at >= timestamp_sub(timestamp '" ~ var('since') ~ "', interval 1 day)" -%}
  {%- endif -%}
  {{- return(query) -}}
{% endmacro %}
