{{ config(
    materialized='changes',
    unique_key='trip_id',
    partition_by=key_partitions('trip_id'),
    cluster_by=['loaded_at'],
) }}
{{ latest_versions(
    source('raw', 'trips'),
    key='trip_id',
    columns={
        'customer_id': 'int64',
        'city': 'string',
        'vehicle_type': 'string',
        'status': 'string',
        'requested_at': 'timestamp',
        'started_at': 'timestamp',
        'ended_at': 'timestamp',
        'distance_km': 'numeric',
        'fare': 'numeric',
        'updated_at': 'timestamp',
    },
    day='date(latest.requested_at)',
) }}
