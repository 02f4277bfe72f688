-- A salt is made once and kept, also by a full refresh: with another salt, every pseudonym would change.
{{ config(
    materialized='changes',
    full_refresh=false,
    unique_key='customer_id',
    partition_by=key_partitions('customer_id'),
) }}
with customers as (
  select distinct customer_id
  from {{ ref('latest_customers') }}
  where not is_deleted
  {%- if is_increment() %} and {{ loaded_since() }}{% endif %}
)

select
  customers.customer_id,
  generate_uuid() as salt,
  false as gone,
  [{{ key_range('customers.customer_id') }}] as touched
from customers
{%- if is_increment() %}
left join {{ this }} as kept using (customer_id)
where kept.customer_id is null
{%- endif %}
