"""Whether a caller may do what a request needs: the bindings, the catalog's views, and the columns' policy tags."""

from __future__ import annotations

from bqemulator.catalog.models import TableMeta
from bqemulator.catalog.repository import CatalogRepository
from bqemulator.views.authorized_views import is_view_authorized_on

from omnipipe.laptop.iam.bindings import Bindings
from omnipipe.laptop.iam.gate import Refused
from omnipipe.laptop.registry import Registry
from omnipipe.laptop.services.bigquery.gate import names
from omnipipe.laptop.services.bigquery.gate.statements import Analysis, Columns, Read, analyse
from omnipipe.laptop.services.bigquery.gate.tags import PolicyTags

_TAG, _TAXONOMY = "gcp:datacatalog/policyTag:PolicyTag", "gcp:datacatalog/taxonomy:Taxonomy"
_DATA_POLICY = "gcp:bigquerydatapolicy/dataPolicy:DataPolicy"


class Rights:
    """The rights of who sent a request. Each method that requires one raises Refused."""

    def __init__(
        self, email: str, bindings: Bindings, catalog: CatalogRepository, tags: PolicyTags, registry: Registry
    ) -> None:
        self._email = email
        self._bindings = bindings
        self._catalog = catalog
        self._tags = tags
        self._registry = registry

    def need(self, permission: str, resource: str) -> None:
        """Require a permission on a resource."""
        if not self.may(permission, resource):
            raise names.denied(permission, resource)

    def need_on_tag(self, permission: str, resource: str) -> None:
        """Require a permission on a taxonomy, which Data Catalog refuses in its own words."""
        if not self.may(permission, resource):
            message = f"Permission '{permission}' denied on resource '{resource}' (or it may not exist)."
            raise Refused(403, message, "accessDenied")

    def may(self, permission: str, resource: str) -> bool:
        """Whether the caller has a permission on a resource."""
        return self._bindings.allow(self._email, permission, resource)

    def exists(self, table: str) -> bool:
        """Whether a table is there."""
        return self._catalog.get_table(*names.parts(table)) is not None

    def sql(self, text: str, project: str, default_dataset: str | None = None) -> Analysis:
        """Require what SQL needs; returns it."""
        analysis = analyse(text, project, default_dataset)
        for permission, resource in analysis.needs:
            self.need(permission, resource)
        for read in analysis.reads:
            self.read(read, analysis.made)
        return analysis

    def read(self, read: Read, made: frozenset[str] = frozenset()) -> None:
        """Require that a table is read: its data, what is beneath a view, and the tags of the columns."""
        project, dataset, name = names.parts(read.table)
        if name.endswith("*"):
            of = [each.table_id for each in self._catalog.list_tables(project, dataset)]
            matching = [names.table(project, dataset, each) for each in of if each.startswith(name[:-1])]
            for table in matching or [names.dataset(project, dataset)]:
                self.need("bigquery.tables.getData", table)
            for table in matching:
                self.read(Read(table, read.columns), made)
            return
        self.need("bigquery.tables.getData", read.table)
        found = self._catalog.get_table(project, dataset, name)
        if found is None and read.table not in made:
            self._refuse_another_case(project, dataset, name)
        if found is not None and found.view_query:
            self._beneath(found)
        self._columns(read.table, read.columns)

    def _beneath(self, view: TableMeta) -> None:
        """A view is read with its reader's own permissions, unless the dataset beneath authorizes the view."""
        # https://cloud.google.com/bigquery/docs/authorized-views
        inner = analyse(view.view_query or "", view.project_id)
        for permission, resource in inner.needs:
            self.need(permission, resource)
        for read in inner.reads:
            project, dataset, _ = names.parts(read.table)
            beneath = self._catalog.get_dataset(project, dataset)
            if beneath is None or not is_view_authorized_on(
                view_project=view.project_id,
                view_dataset=view.dataset_id,
                view_table=view.table_id,
                target_dataset=beneath,
            ):
                self.read(read)

    def _refuse_another_case(self, project: str, dataset: str, name: str) -> None:
        """BigQuery tells upper from lower case, the engine beneath does not: it must not find what was not asked."""
        for other in self._catalog.list_tables(project, dataset):
            if other.table_id.lower() == name.lower():
                raise Refused(403, f"Not found: Table {project}:{dataset}.{name} was not found", "accessDenied")

    def _columns(self, table: str, columns: Columns) -> None:
        for column, tag in self._tags.of(table).items():
            if columns.include(column) and not self._may_read(tag):
                project, dataset, name = names.parts(table)
                raise Refused(
                    403,
                    "Access Denied: BigQuery BigQuery: User has neither fine-grained reader nor masked get permission "
                    f'to get data protected by policy tag "{self._title(tag)}" on column '
                    f"{project}.{dataset}.{name}.{column}.",
                    "accessDenied",
                )

    def _may_read(self, tag: str) -> bool:
        if any(
            self.may(permission, tag)
            for permission in ("datacatalog.categories.fineGrainedGet", "bigquery.dataPolicies.maskedGet")
        ):
            return True
        policies = [each for each in self._registry.of_type(_DATA_POLICY) if each.inputs.get("policyTag") == tag]
        return any(self.may("bigquery.dataPolicies.maskedGet", policy.id) for policy in policies)

    def _title(self, tag: str) -> str:
        """``taxonomy : tag`` by their display names, where the program registers them."""
        titles = {
            resource.id: resource.inputs["displayName"]
            for type_ in (_TAG, _TAXONOMY)
            for resource in self._registry.of_type(type_)
        }
        taxonomy = tag.partition("/policyTags/")[0]
        return f"{titles.get(taxonomy, taxonomy)} : {titles.get(tag, tag)}"
