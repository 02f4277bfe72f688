"""Every resource type that the laptop knows, from each service a line. Any other stops ``up`` by its name."""

from omnipipe.laptop.kind import Kind
from omnipipe.laptop.services import compute, governance, iam, random, stash
from omnipipe.laptop.services.artifacts import resources as artifacts
from omnipipe.laptop.services.bigquery import resources as bigquery
from omnipipe.laptop.services.datastream import resources as datastream
from omnipipe.laptop.services.functions import resources as functions
from omnipipe.laptop.services.monitoring import resources as monitoring
from omnipipe.laptop.services.pubsub import resources as pubsub
from omnipipe.laptop.services.run import resources as run
from omnipipe.laptop.services.scheduler import resources as scheduler
from omnipipe.laptop.services.secretmanager import resources as secretmanager
from omnipipe.laptop.services.sql import resources as sql
from omnipipe.laptop.services.storage import resources as storage
from omnipipe.laptop.services.workflows import resources as workflows

SERVICES = (
    artifacts,
    bigquery,
    compute,
    datastream,
    functions,
    governance,
    iam,
    monitoring,
    pubsub,
    random,
    run,
    scheduler,
    secretmanager,
    sql,
    stash,
    storage,
    workflows,
)
KINDS: dict[str, Kind] = {type_: kind for service in SERVICES for type_, kind in service.KINDS.items()}
