"""Write down how many visits a day had, in place of what was written of it before."""

import os

from google.cloud import bigquery

client = bigquery.Client()
table = f"{os.environ['DATASET']}.daily"
client.query_and_wait(f"CREATE TABLE IF NOT EXISTS {table} (day DATE, visits INT64)")
client.query_and_wait(
    f"""
    MERGE {table} t USING (SELECT @day AS day, @visits AS visits) s ON t.day = s.day
    WHEN MATCHED THEN UPDATE SET visits = s.visits
    WHEN NOT MATCHED THEN INSERT (day, visits) VALUES (day, visits)
    """,
    job_config=bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter("day", "DATE", os.environ["DAY"]),
            bigquery.ScalarQueryParameter("visits", "INT64", int(os.environ["VISITS"])),
        ]
    ),
)
print(f"{os.environ['DAY']} had {os.environ['VISITS']} visits")
