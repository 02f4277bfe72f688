"""What every function and job shares: logging, audit rows, BigQuery writes, HTTP with bounded retries.

It is copied into each function's zip and each job's image. Import the modules that you use: only ``audit`` and
``warehouse`` need google-cloud-bigquery, only ``http`` needs requests.
"""
