"""Google's services on this machine, one a file: what makes their resources real, and their APIs."""

from omnipipe.laptop.services import (
    artifacts,
    bigquery,
    compute,
    datastream,
    functions,
    governance,
    iam,
    monitoring,
    random,
    run,
    scheduler,
    secretmanager,
    sql,
    stash,
    storage,
    workflows,
)
from omnipipe.laptop.services.base import Kind

# Every resource type that the laptop knows. Any other stops `up` by its name.
KINDS: dict[str, Kind] = (
    artifacts.KINDS
    | bigquery.KINDS
    | compute.KINDS
    | datastream.KINDS
    | functions.KINDS
    | governance.KINDS
    | iam.KINDS
    | monitoring.KINDS
    | random.KINDS
    | run.KINDS
    | scheduler.KINDS
    | secretmanager.KINDS
    | sql.KINDS
    | stash.KINDS
    | storage.KINDS
    | workflows.KINDS
)
