"""Google's services on this machine, one a file: what makes their resources real, and their APIs."""

from omnipipe.laptop.services import (
    artifacts,
    bigquery,
    compute,
    datastream,
    functions,
    iam,
    random,
    run,
    scheduler,
    secretmanager,
    sql,
    storage,
    workflows,
)
from omnipipe.laptop.services.base import Kind

_MODULES = (
    artifacts,
    bigquery,
    compute,
    datastream,
    functions,
    iam,
    random,
    run,
    scheduler,
    secretmanager,
    sql,
    storage,
    workflows,
)

# Every resource type that the laptop knows. Any other stops `up` by its name.
KINDS: dict[str, Kind] = {type_: kind for module in _MODULES for type_, kind in module.KINDS.items()}
