{%- set before = ['is_deleted', 'city', 'customer_id', 'status', 'requested_at', 'distance_km', 'fare'] -%}
{{ config(
    materialized='changes',
    unique_key='trip_id',
    partition_by=key_partitions(),
    cluster_by=['loaded_at', 'trip_id'],
    version=['source_timestamp', 'change_sequence_number'],
    before=before,
    collects='days',
    reads_log='public_trips',
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
    day='date(changed.requested_at)',
    before=before,
) }}
