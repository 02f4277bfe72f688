"""Names of BigQuery's resources as IAM writes them, and how BigQuery refuses them."""

from __future__ import annotations

from omnipipe.laptop.iam.gate import Refused


def project(name: str) -> str:
    """A project."""
    return f"projects/{name}"


def dataset(project_: str, name: str) -> str:
    """A dataset."""
    return f"projects/{project_}/datasets/{name}"


def table(project_: str, dataset_: str, name: str) -> str:
    """A table or view. A decorator of a partition or of a time belongs to the request, not to the name."""
    return f"projects/{project_}/datasets/{dataset_}/tables/{name.partition('$')[0].partition('@')[0]}"


def parts(resource: str) -> tuple[str, ...]:
    """Project, dataset and table of a name, as many as it has."""
    return tuple(resource.split("/")[1::2])


def denied(permission: str, resource: str) -> Refused:
    """BigQuery's refusal, in its words.

    https://cloud.google.com/bigquery/docs/troubleshoot-access-control
    """
    project_, *rest = parts(resource)
    if not rest:
        text = (
            f"Access Denied: Project {project_}: User does not have {permission} permission in project {project_}."
        )
    else:
        kind = "table" if len(rest) == 2 else "dataset"
        name = f"{project_}:{'.'.join(rest)}"
        text = (
            f"Access Denied: {kind.capitalize()} {name}: Permission {permission} denied on {kind} {name} "
            "(or it may not exist)."
        )
    return Refused(403, text, "accessDenied")


def unknown(what: str) -> Refused:
    """A refusal of what the gate cannot judge: it never lets through what it does not understand."""
    text = f"Access Denied: BigQuery BigQuery: the laptop's gate cannot tell which permissions {what} needs"
    return Refused(403, text, "accessDenied")
