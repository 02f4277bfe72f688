select customer_id, full_name, email, phone, city, marketing_opt_in, created_at, updated_at
from {{ ref('latest_customers') }}
where not is_deleted
