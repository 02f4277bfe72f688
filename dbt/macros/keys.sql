{#-
  Tables of one row a key are partitioned by a number that is made from the key, `key_bucket`: keys are integers of any
  size, or texts such as UUIDs, and BigQuery partitions by neither.

  Neighbouring integers share a bucket, so that a day's new rows and those that still change are in few: 100,000 keys,
  some 10 MB, which is the least that BigQuery bills a table for. After 400 million keys the numbers begin again, and
  the condition on the key itself, see `in_key_range`, tells them apart. Texts are spread by a hash: what is random has
  no neighbours. (Not FARM_FINGERPRINT: the emulator computes a few thousand of them a second.)
-#}
{% macro key_bucket(key, type='int64') %}
  {%- if type == 'string' -%}
    {{- return("mod(cast(concat('0x', left(to_hex(md5(" ~ key ~ ")), 6)) as int64), 4000)") -}}
  {%- elif type == 'int64' -%}
    {{- return('abs(mod(div(' ~ key ~ ', 100000), 4000))') -}}
  {%- endif -%}
  {{- exceptions.raise_compiler_error('key_bucket: a key is an int64 or a string, not ' ~ type) -}}
{% endmacro %}

{#- How such a table is partitioned. 4,000 is also what one statement may change at most. -#}
{% macro key_partitions() %}
  {{ return({'field': 'key_bucket', 'data_type': 'int64', 'range': {'start': 0, 'end': 4000, 'interval': 1}}) }}
{% endmacro %}

{#- A text as a literal of SQL. -#}
{% macro text_literal(value) %}
  {{- return("'" ~ (value | string).replace('\\', '\\\\').replace("'", "\\'") ~ "'") -}}
{% endmacro %}
