"""What the program may look up on Google, and what this machine answers. Anything else stops `up` by its name."""

from collections.abc import Callable
from typing import Any

from omnipipe.laptop.errors import LaptopError

# Google numbers projects. Nothing on this machine depends on which number it is.
PROJECT_NUMBER = "100000000001"


def _project(args: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"projects/{args['projectId']}",
        "projectId": args["projectId"],
        "name": args["projectId"],
        "number": PROJECT_NUMBER,
    }


def _bigquery_agent(args: dict[str, Any]) -> dict[str, Any]:
    email = f"bq-{PROJECT_NUMBER}@bigquery-encryption.iam.gserviceaccount.com"
    return {"id": email, "email": email, "member": f"serviceAccount:{email}", "project": args["project"]}


def _storage_agent(args: dict[str, Any]) -> dict[str, Any]:
    email = f"service-{PROJECT_NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
    return {"id": email, "emailAddress": email, "member": f"serviceAccount:{email}", "project": args["project"]}


_ANSWERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "gcp:organizations/getProject:getProject": _project,
    "gcp:bigquery/getDefaultServiceAccount:getDefaultServiceAccount": _bigquery_agent,
    "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": _storage_agent,
}


def answer(token: str, args: dict[str, Any]) -> dict[str, Any]:
    """What a function of a provider returns; ``token`` is its name, such as ``gcp:storage/getBucket:getBucket``.

    Raises LaptopError for a function that is not known here, or that is asked without saying of which project.
    """
    if token not in _ANSWERS:
        raise LaptopError(
            f"the program calls {token}, which the laptop cloud does not answer: add it to omnipipe/laptop/lookups.py"
        )
    try:
        return _ANSWERS[token](args)
    except KeyError as error:
        raise LaptopError(f"the program calls {token} without {error}: say of which project") from error
