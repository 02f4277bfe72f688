{{ config(
    materialized='changes',
    unique_key='customer_id',
    partition_by=key_partitions('customer_id'),
    cluster_by=['loaded_at'],
) }}
{{ latest_versions(
    source('raw', 'customers'),
    key='customer_id',
    columns={
        'full_name': 'string',
        'email': 'string',
        'phone': 'string',
        'city': 'string',
        'marketing_opt_in': 'bool',
        'created_at': 'timestamp',
        'updated_at': 'timestamp',
    },
) }}
