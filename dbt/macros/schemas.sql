{#- One Google project a stack: a dataset has the same name everywhere, without a prefix. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
  {{ custom_schema_name or target.schema }}
{%- endmacro %}
