"""Every resource type that the laptop knows, from each service a line. Any other stops ``up`` by its name."""

from omnipipe.laptop.kind import Kind
from omnipipe.laptop.services import compute, governance, iam, random, stash
from omnipipe.laptop.services.artifacts import resources as artifacts
from omnipipe.laptop.services.bigquery import resources as bigquery
from omnipipe.laptop.services.datastream import resources as datastream
from omnipipe.laptop.services.functions import resources as functions
from omnipipe.laptop.services.monitoring import resources as monitoring
from omnipipe.laptop.services.run import resources as run
from omnipipe.laptop.services.scheduler import resources as scheduler
from omnipipe.laptop.services.secretmanager import resources as secretmanager
from omnipipe.laptop.services.sql import resources as sql
from omnipipe.laptop.services.storage import resources as storage
from omnipipe.laptop.services.workflows import resources as workflows

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
