-- A salt is made once and kept, also by a full refresh: with another salt, every pseudonym would change. A customer whose
-- key changes takes the salt along.
{{ config(
    materialized='changes',
    full_refresh=false,
    inserts_only=true,
    unique_key='customer_id',
    partition_by=key_partitions(),
    cluster_by=['customer_id'],
) }}
{%- set increment = is_increment() -%}
{%- if increment -%}
  {%- set buckets = values_of(
    'select distinct bucket from ' ~ ref('latest_customers') ~ ', unnest([key_bucket, ifnull(' ~ key_bucket('moved_from')
    ~ ', key_bucket)]) as bucket where not is_deleted and ' ~ loaded_since()
  ) -%}
{%- endif -%}
with customers as (
  select customer_id, key_bucket, moved_from
  from {{ ref('latest_customers') }}
  where not is_deleted
  {%- if increment %} and {{ loaded_since() }}{% endif %}
)

select
  customers.customer_id,
  customers.key_bucket,
  {%- if increment %}
  ifnull(max(kept.salt), generate_uuid()) as salt,
  {%- else %}
  generate_uuid() as salt,
  {%- endif %}
  false as gone,
  [customers.key_bucket] as touched
from customers
{%- if increment %}
cross join unnest([customers.customer_id, ifnull(customers.moved_from, customers.customer_id)]) as candidate
left join {{ this }} as kept
  on kept.customer_id = candidate
  and ({{ in_partitions('kept.key_bucket', 'int64', buckets) }} or kept.key_bucket is null)
group by customers.customer_id, customers.key_bucket
having countif(kept.customer_id = customers.customer_id) = 0
{%- endif %}
