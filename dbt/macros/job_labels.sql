{#- Labels of each BigQuery job, as JSON: which run, which model; so that a bill can be read by run. jobs/dbt sets
    the two variables. (Defaults stand here, because a query comment does not see the project's own variables.) -#}
{% macro job_labels(node) -%}
  {%- set labels = {'app': 'dbt', 'run_id': var('run_id', ''), 'run_date': var('run_date', '') | string} -%}
  {%- if node -%}{%- do labels.update(node_id=node.unique_id) -%}{%- endif -%}
  {{ return(tojson(labels)) }}
{%- endmacro %}
