{{ config(
    materialized='changes',
    unique_key='customer_id',
    partition_by=key_partitions('customer_id'),
) }}
select
  customers.customer_id,
  customers.full_name,
  to_hex(sha256(concat(salts.salt, customers.email))) as email_pseudonym,
  to_hex(sha256(concat(salts.salt, customers.phone))) as phone_pseudonym,
  customers.city,
  customers.marketing_opt_in,
  customers.created_at,
  customers.updated_at,
  customers.is_deleted as gone,
  [{{ key_range('customers.customer_id') }}] as touched
from {{ ref('latest_customers') }} as customers
left join {{ ref('customer_salts') }} as salts using (customer_id)
{%- if is_increment() %}
where {{ loaded_since('customers.loaded_at') }}
{%- endif %}
