"""BigQuery: the datasets, and the tables that the platform itself declares."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.place import Place
from omnipipe.contracts.schema import Table


@dataclass(frozen=True, kw_only=True)
class WarehouseArgs:
    """What a ``Warehouse`` needs: where it is, its datasets (name -> description) and its declared tables."""

    place: Place
    location: str
    protect: bool
    datasets: Mapping[str, str]
    tables: Sequence[Table]


class Warehouse(pulumi.ComponentResource):
    """Datasets, and tables with their schemas from ``omnipipe.contracts``.

    Datastream and dbt make their own tables in these datasets; those are not declared here.

    ``dataset_id`` gives a dataset's id as an output; ``grant`` gives a role on one dataset. Grants are single
    members and the access list itself is never declared: an update of one would silently drop the other.
    """

    def __init__(self, name: str, args: WarehouseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Warehouse", name, {}, opts)
        self._name, self._place = name, args.place
        child = pulumi.ResourceOptions(parent=self)
        self._datasets = {
            dataset: gcp.bigquery.Dataset(
                f"{name}-{dataset}",
                project=args.place.project,
                dataset_id=dataset,
                location=args.location,
                description=description,
                delete_contents_on_destroy=not args.protect,
                opts=child,
            )
            for dataset, description in args.datasets.items()
        }
        tables = {
            table.id: gcp.bigquery.Table(
                f"{name}-{table.dataset}-{table.name}",
                project=args.place.project,
                dataset_id=self.dataset_id(table.dataset),
                table_id=table.name,
                description=table.description,
                schema=json.dumps(table.schema()),
                time_partitioning={"type": "DAY", "field": table.partition_by} if table.partition_by else None,
                clusterings=list(table.cluster_by) or None,
                deletion_protection=args.protect,
                opts=child,
            )
            for table in args.tables
        }
        self.tables: list[pulumi.Resource] = list(tables.values())
        self.register_outputs({"datasets": [dataset.dataset_id for dataset in self._datasets.values()]})

    def dataset_id(self, dataset: str) -> pulumi.Output[str]:
        """The id of a dataset. Raises ValueError for one that was not declared."""
        if dataset not in self._datasets:
            raise ValueError(f"the warehouse has no dataset {dataset!r}: declare it among its datasets")
        return self._datasets[dataset].dataset_id

    def grant(self, dataset: str, role: str, who: str, member: pulumi.Input[str]) -> pulumi.Resource:
        """Give a member a role on one dataset. ``who`` tells one grant from another in the program."""
        return gcp.bigquery.DatasetIamMember(
            f"{self._name}-{dataset}-{who}-{role.rpartition('.')[2].lower()}",
            project=self._place.project,
            dataset_id=self.dataset_id(dataset),
            role=role,
            member=member,
            opts=pulumi.ResourceOptions(parent=self),
        )
