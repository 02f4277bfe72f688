{#- What an increment reads. The bounds are literals in the SQL: BigQuery prunes partitions by literals only. -#}

{#- True when an earlier run has made the model's table. -#}
{% macro stands() %}
  {{ return(execute and load_relation(this) is not none) }}
{% endmacro %}

{#- True when only what changed has to be merged into the model's table. -#}
{% macro is_increment() %}
  {{ return(stands() and not should_full_refresh()) }}
{% endmacro %}

{#- The time stamp of this run, as a literal. -#}
{% macro loaded_at() %}
  {{- return("timestamp '" ~ (var('loaded_at') or run_started_at.isoformat()) ~ "'") -}}
{% endmacro %}

{#- Rows of our own tables that were merged after the last successful run, whose own rows carry the moment that it
    began. A run that failed half way leaves rows that the next one takes up here. -#}
{% macro loaded_since(column='loaded_at') %}
  {{- return(column ~ " > timestamp '" ~ var('since') ~ "'" if var('since') else 'true') -}}
{% endmacro %}

{#- Rows of an ingestion-time partitioned table that may have arrived since then, however late: what counts is when
    a row arrived, not when it was committed. Rows in the streaming buffer have no partition yet. -#}
{% macro arrived_since() %}
  {%- if var('since') -%}
    {%- set first_day = "timestamp_sub(timestamp '" ~ var('since')[:10] ~ "', interval " ~ var('lookback_days') ~ " day)" -%}
    {{- return('(_partitiontime >= ' ~ first_day ~ ' or _partitiontime is null)') -}}
  {%- else -%}
    {{- return('true') -}}
  {%- endif -%}
{% endmacro %}

{#- Tables of one row a key are partitioned by ranges of the key, which never changes: a merge then touches only
    the ranges of the keys that changed. BigQuery allows 4,000 changed partitions a statement. -#}
{% macro key_partitions(key) %}
  {{ return({'field': key, 'data_type': 'int64', 'range': {'start': 0, 'end': 4000000000, 'interval': 1000000}}) }}
{% endmacro %}

{#- The number of a key's range. -#}
{% macro key_range(key) %}{{ return('div(' ~ key ~ ', 1000000)') }}{% endmacro %}

{#- The first column of a query, as a list. -#}
{% macro values_of(query) %}
  {{ return(run_query(query).columns[0].values() | list) }}
{% endmacro %}

{#- A condition with literals that holds for the rows of these partitions: days, or numbers of key ranges. -#}
{% macro in_partitions(column, data_type, values) %}
  {%- set conditions = [] -%}
  {%- for value in values | sort -%}
    {%- if data_type == 'int64' -%}
      {%- set first = value | int * 1000000 -%}
      {%- do conditions.append(column ~ ' between ' ~ first ~ ' and ' ~ (first + 999999)) -%}
    {%- else -%}
      {%- do conditions.append("date '" ~ value ~ "'") -%}
    {%- endif -%}
  {%- endfor -%}
  {%- if not conditions -%}
    {{- return('false') -}}
  {%- elif data_type == 'int64' -%}
    {{- return('(' ~ conditions | join(' or ') ~ ')') -}}
  {%- else -%}
    {{- return(column ~ ' in (' ~ conditions | join(', ') ~ ')') -}}
  {%- endif -%}
{% endmacro %}

{#- The query of the days whose weather was fetched since then. It prunes nothing: a run for a day long ago fetches
    that day, and the two columns of a row a city, hour and fetch are small. -#}
{% macro fetched_days() %}
  {%- set query = 'select distinct date(hour) as day from ' ~ source('raw', 'weather') -%}
  {%- if var('since') -%}
    {%- set query = query ~ " where fetched_at >= timestamp_sub(timestamp '" ~ var('since') ~ "', interval "
      ~ var('lookback_days') ~ ' day)' -%}
  {%- endif -%}
  {{- return(query) -}}
{% endmacro %}
