{{ config(
    materialized='changes',
    unique_key='customer_id',
    partition_by=key_partitions(),
    cluster_by=['customer_id'],
) }}
{%- set increment = is_increment() -%}
select
  customers.customer_id,
  customers.key_bucket,
  customers.full_name,
  to_hex(sha256(concat(salts.salt, customers.email))) as email_pseudonym,
  to_hex(sha256(concat(salts.salt, customers.phone))) as phone_pseudonym,
  customers.city,
  customers.marketing_opt_in,
  customers.created_at,
  customers.updated_at,
  customers.is_deleted as gone,
  [customers.key_bucket] as touched
from {{ ref('latest_customers') }} as customers
left join {{ ref('customer_salts') }} as salts
  on salts.customer_id = customers.customer_id
{%- if increment %}
{%- set buckets = values_of('select distinct key_bucket from ' ~ ref('latest_customers') ~ ' where ' ~ loaded_since()) %}
  and ({{ in_partitions('salts.key_bucket', 'int64', buckets) }} or salts.key_bucket is null)
where {{ loaded_since('customers.loaded_at') }}
{%- endif %}
