{{ config(
    materialized='changes',
    unique_key='customer_id',
    partition_by=key_partitions(),
    cluster_by=['loaded_at', 'customer_id'],
    version=['source_timestamp', 'change_sequence_number'],
    keeps='moved_from',
    reads_log='public_customers',
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
    moves=true,
) }}
