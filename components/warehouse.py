"""BigQuery: the datasets, the tables that the platform itself declares, and who may touch which."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.checks import is_bigquery_location, is_dataset_id, require
from components.place import Place
from components.workload import Workload
from omnipipe.contracts.schema import Table


@dataclass(frozen=True, kw_only=True)
class WarehouseArgs:
    """What a ``Warehouse`` needs.

    ``location`` is a region or a multi-region such as EU; ``protect`` keeps data from being deleted; ``datasets``
    are descriptions by name; ``tables`` are declared in ``omnipipe.contracts``; ``kms_key`` encrypts the datasets and
    the tables.

    Raises ValueError for a name or location that BigQuery refuses, and for a table of a dataset that is not declared.
    """

    place: Place
    location: str
    protect: bool
    datasets: Mapping[str, str]
    tables: Sequence[Table]
    kms_key: pulumi.Input[str] | None = None

    def __post_init__(self) -> None:
        bad = [name for name in self.datasets if not is_dataset_id(name)]
        homeless = sorted({table.id for table in self.tables if table.dataset not in self.datasets})
        require(
            (
                is_bigquery_location(self.location),
                f"location is {self.location!r}: give EU, US, or a region such as europe-west1",
            ),
            (not bad, f"{', '.join(bad)}: a dataset's name has letters, digits and underscores only"),
            (not homeless, f"{', '.join(homeless)}: declare their datasets too"),
        )


class Warehouse(pulumi.ComponentResource):
    """Datasets, and tables with their schemas from ``omnipipe.contracts``.

    Datastream and dbt make their own tables in these datasets; those are not declared here.

    ``dataset_id`` gives a dataset's id as an output; ``allow`` grants roles on datasets and tables. Grants are single
    members and the access list itself is never declared: an update of one would silently drop the other.

    Example::

        from components.place import Place
        from components.warehouse import Warehouse, WarehouseArgs
        from components.workload import Workload, WorkloadArgs
        from omnipipe.contracts.sources.weather import WEATHER

        place = Place("my-project", "europe-west1")
        args = WarehouseArgs(
            place=place, location="EU", protect=True, datasets={"raw": "As delivered."}, tables=[WEATHER]
        )
        warehouse = Warehouse("warehouse", args)
        weather = WorkloadArgs(place=place, physical_name="weather-function", purpose="Fetches the weather")
        warehouse.allow(Workload("weather", weather), write=["raw.weather"])
    """

    def __init__(self, name: str, args: WarehouseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Warehouse", name, {}, opts)
        self._name, self._place = name, args.place
        child = pulumi.ResourceOptions(parent=self)
        # Data outlives its description: what is protected is neither deleted nor replaced.
        data = pulumi.ResourceOptions(parent=self, protect=args.protect)
        self._datasets = {
            dataset: gcp.bigquery.Dataset(
                f"{name}-{dataset}",
                project=args.place.project,
                dataset_id=dataset,
                location=args.location,
                description=description,
                delete_contents_on_destroy=not args.protect,
                default_encryption_configuration={"kms_key_name": args.kms_key} if args.kms_key else None,
                opts=data,
            )
            for dataset, description in args.datasets.items()
        }
        self._tables = {
            table.id: gcp.bigquery.Table(
                f"{name}-{table.dataset}-{table.name}",
                project=args.place.project,
                dataset_id=self.dataset_id(table.dataset),
                table_id=table.name,
                description=table.description,
                schema=json.dumps(table.schema()),
                time_partitioning={"type": "DAY", "field": table.partition_by} if table.partition_by else None,
                clusterings=list(table.cluster_by) or None,
                # Unsaid, Google fills in the dataset's, and the provider would replace the table for the difference:
                # https://github.com/hashicorp/terraform-provider-google/issues/10518
                encryption_configuration={"kms_key_name": args.kms_key} if args.kms_key else None,
                deletion_protection=args.protect,
                opts=data,
            )
            for table in args.tables
        }
        self._child = child
        self.register_outputs({"datasets": [dataset.dataset_id for dataset in self._datasets.values()]})

    def dataset_id(self, dataset: str) -> pulumi.Output[str]:
        """The id of a dataset. Raises ValueError for one that was not declared."""
        if dataset not in self._datasets:
            raise ValueError(f"the warehouse has no dataset {dataset!r}: declare it among its datasets")
        return self._datasets[dataset].dataset_id

    def allow(
        self,
        workload: Workload,
        *,
        read: Sequence[str] = (),
        write: Sequence[str] = (),
        watch: Sequence[str] = (),
    ) -> list[pulumi.Resource]:
        """Let a workload run jobs, and touch datasets (``raw``) or declared tables (``raw.weather``), and no others.

        It may ``read`` (roles/bigquery.dataViewer), ``write``, which is reading too (roles/bigquery.dataEditor), or
        ``watch`` sizes and times without the data (roles/bigquery.metadataViewer).

        Raises ValueError for a dataset or table that was not declared.
        """
        granted = [workload.grant_project("roles/bigquery.jobUser")]
        for targets, role in ((read, "dataViewer"), (write, "dataEditor"), (watch, "metadataViewer")):
            granted += [self._grant(target, f"roles/bigquery.{role}", workload) for target in targets]
        return granted

    def _grant(self, target: str, role: str, workload: Workload) -> pulumi.Resource:
        dataset, dot, _ = target.partition(".")
        name = f"{self._name}-{target.replace('.', '-')}-{workload.physical_name}"
        if not dot:
            return gcp.bigquery.DatasetIamMember(
                name,
                project=self._place.project,
                dataset_id=self.dataset_id(dataset),
                role=role,
                member=workload.member,
                opts=self._child,
            )
        if target not in self._tables:
            raise ValueError(f"the warehouse declares no table {target!r}: grant its dataset, or declare it")
        return gcp.bigquery.IamMember(
            name,
            project=self._place.project,
            dataset_id=self.dataset_id(dataset),
            table_id=self._tables[target].table_id,
            role=role,
            member=workload.member,
            opts=self._child,
        )
