"""The whole platform: what there is, and what stands on what.

FixedSettings                        what is not changed while it is up
ApiServices                          what Google has to switch on
Encryption (on demand), Network,     what everything stands on
Secrets, CodeStore
Warehouse, PiiPolicy                 where data lives, and who may read what
Capture                              Postgres -> migrate, Datastream -> raw
Pipeline                             the steps of a day, in their order, by a workflow
Business (on demand)                 who plays the business, where there is none
Probe, Monitoring, Budget            who watches: figures and errors, alerts, costs
WorkloadIdentity (on demand)         who deploys, and who previews
"""

import re
from collections.abc import Sequence

import pulumi

from components.api_services import ApiServices
from components.budget import Budget, BudgetArgs
from components.checks import require
from components.code_store import CodeStore, CodeStoreArgs
from components.encryption import Encryption, EncryptionArgs, Keys
from components.fixed_settings import FixedSettings, FixedSettingsArgs
from components.labels import labels
from components.monitoring import Monitoring, MonitoringArgs
from components.network import Network
from components.pii_policy import PiiPolicy, PiiPolicyArgs, tagger_role
from components.platform.args import PlatformArgs
from components.platform.business import Business, BusinessArgs
from components.platform.capture import Capture, CaptureArgs
from components.platform.daily import daily_steps
from components.platform.figures import FIGURES, HEARTBEAT, SILENCE
from components.platform.google_project import (
    APIS,
    DEPLOYER_ROLES,
    GITHUB,
    PREVIEW_ROLES,
    PREVIEW_ROLES_FOR_KEYS,
)
from components.platform.pipeline import Pipeline, PipelineArgs
from components.platform.probe import INTERVAL_S, PROBE, Probe, ProbeArgs
from components.platform.sources import ROOT
from components.quota_provider import quota_provider
from components.secrets import Secrets, SecretsArgs
from components.warehouse import Warehouse, WarehouseArgs
from components.workload import PROJECT_ROLES
from components.workload_identity import WorkloadIdentity, WorkloadIdentityArgs
from omnipipe.contracts import checks
from omnipipe.contracts.pipelines import DAILY
from omnipipe.contracts.schema import Sensitivity
from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES

PII = "pii"  # to Google, what tags, masks and their role are called after
# It begins the name of all that is below it, which labels have, and what Pulumi names on Google: 63 characters at most.
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")

CHECKS = ROOT / "jobs" / "dvt" / "checks"


class Platform(pulumi.ComponentResource):
    """One environment: Postgres -> Datastream -> BigQuery, a daily workflow over it, and the KPIs out again.

    Exposes the components that others may build on: ``capture``, ``warehouse``, ``pipeline``, and
    ``deployer`` where GitHub's workflows may deploy. Grants nothing itself. Everything in it that takes labels
    has those of ``components/labels.py``.

    A program may have several: the name of each resource begins with its component's, and so with the platform's. What
    Google calls them (the dataset ``raw``, the job ``dbt``) is the same in each, so each takes a Google project of its
    own.

    Raises ValueError for a name that what is below it could not begin with.

    Ends the program with ``pulumi.RunError`` before anything is made, when checks are declared wrong: a line a mistake.

    Example::

        from components.place import Place
        from components.platform.platform import Platform
        from components.platform.args import PlatformArgs

        settings = PlatformArgs(
            place=Place("my-project", "europe-west1"),
            owner="data-platform",
            bigquery_location="EU",
            database_tier="db-f1-micro",
            database_availability="ZONAL",
            protect_data=True,
            removal=False,
            customer_managed_keys=True,
            schedule="0 5 * * *",
            time_zone="Europe/Berlin",
            schedule_paused=False,
            resting=False,
            weather_api_url="https://api.open-meteo.com",
            webhook_url="https://example.com/hook",
            webhook_allow_private=False,
            webhook_keys=("1",),
            pii_readers=("group:support@example.com",),
            pii_masked_readers=("group:analysts@example.com",),
            alert_emails=("data@example.com",),
            runbooks_url="https://example.com/runbooks",
            billing_account="01AB23-CD45EF-678901",
            monthly_budget=300,
            github_repository_id="123456789",
            github_owner_id="987654",
            github_environment="prod",
            settles_within=120,
            simulated_business=False,
        )
        platform = Platform("omnipipe", settings)
    """

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        require(
            (
                bool(_NAME.fullmatch(name)),
                f"a platform is called {name!r}: take up to 20 lower-case letters, digits and hyphens, the "
                "first a letter",
            )
        )
        try:
            checks.load(CHECKS)
        except checks.BadChecks as error:
            raise pulumi.RunError(f"the checks in {CHECKS.relative_to(ROOT)} do not fit:\n{error}") from None
        labelled = pulumi.ResourceOptions(transformations=[labels(pulumi.get_stack(), args.owner)])
        super().__init__("omnipipe:components:Platform", name, {}, pulumi.ResourceOptions.merge(opts, labelled))
        self._name, self._args, place = name, args, args.place
        self._quota = quota_provider(f"{name}-quota", place, pulumi.ResourceOptions(parent=self))
        self._child = child = pulumi.ResourceOptions(parent=self, depends_on=[self._switch_on()])

        # What everything stands on.
        self._keys = self._make_keys()
        self._network = Network(f"{name}-network", place, child)
        self._secrets = Secrets(f"{name}-secrets", SecretsArgs(place=place, kms_key=self._keys.secrets), child)
        self._code = CodeStore(
            f"{name}-code",
            CodeStoreArgs(
                place=place,
                bucket_kms_key=self._keys.storage,
                images_kms_key=self._keys.images,
                settles_within=args.settles_within,
            ),
            child,
        )

        # Where data lives, and who may read what.
        self.warehouse = self._make_warehouse()
        self._pii = self._make_pii_policy()

        # What happens: all day, and once a day.
        self.capture = self._make_capture()
        self.pipeline = self._make_pipeline()
        self._business = self._make_business() if args.simulated_business else None

        # Who watches, and who deploys.
        self._probe = self._make_probe()
        self._watch()
        self.deployer = self._make_deployer() if args.github_repository_id else None
        self.register_outputs({"workflow": self.pipeline.workflow.id})

    def _switch_on(self) -> ApiServices:
        """The APIs. Nothing is made before what is fixed is agreed, because everything else waits for them."""
        name, args, place = self._name, self._args, self._args.place
        fixed = FixedSettings(
            f"{name}-fixed",
            FixedSettingsArgs(
                settings={
                    "gcp:project": place.project,
                    "gcp:region": place.region,
                    "bigqueryLocation": args.bigquery_location,
                    "customerManagedKeys": args.customer_managed_keys,
                },
                runbook=f"{args.runbooks_url}/destroy-and-bring-back.md#change-where-data-is-or-whose-keys-encrypt-it",
            ),
            pulumi.ResourceOptions(parent=self),
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[fixed.agreed])
        return ApiServices(f"{name}-apis", place, APIS, after, settles_within=args.settles_within)

    def _make_keys(self) -> Keys:
        if not self._args.customer_managed_keys:
            return Keys()
        args = EncryptionArgs(
            place=self._args.place,
            bigquery_location=self._args.bigquery_location,
            settles_within=self._args.settles_within,
        )
        return Encryption(f"{self._name}-keys", args, self._child).keys

    def _make_warehouse(self) -> Warehouse:
        return Warehouse(
            f"{self._name}-warehouse",
            WarehouseArgs(
                place=self._args.place,
                location=self._args.bigquery_location,
                protect=self._args.protect,
                datasets=DATASETS,
                tables=DECLARED_TABLES,
                kms_key=self._keys.bigquery,
            ),
            self._child,
        )

    def _make_pii_policy(self) -> PiiPolicy:
        return PiiPolicy(
            f"{self._name}-pii",
            PiiPolicyArgs(
                place=self._args.place,
                physical_name=PII,
                provider=self._quota,
                location=self._args.bigquery_location,
                protect=self._args.protect,
                readers=dict.fromkeys(Sensitivity, self._args.pii_readers),
                masked_readers=dict.fromkeys(Sensitivity, self._args.pii_masked_readers),
            ),
            self._child,
        )

    def _make_capture(self) -> Capture:
        return Capture(
            f"{self._name}-capture",
            CaptureArgs(
                place=self._args.place,
                network=self._network,
                secrets=self._secrets,
                code=self._code,
                warehouse=self.warehouse,
                tier=self._args.database_tier,
                availability=self._args.database_availability,
                protect=self._args.protect,
                backups=self._args.protect_data,
                resting=self._args.resting,
                kms_key=self._keys.database,
            ),
            self._child,
        )

    def _make_pipeline(self) -> Pipeline:
        told = daily_steps(
            self._args, capture=self.capture, network=self._network, pii=self._pii, secrets=self._secrets
        )
        return Pipeline(
            f"{self._name}-daily",
            PipelineArgs(
                place=self._args.place,
                declared=DAILY,
                code=self._code,
                warehouse=self.warehouse,
                pii=self._pii,
                bigquery_location=self._args.bigquery_location,
                schedule=self._args.schedule,
                time_zone=self._args.time_zone,
                paused=self._args.paused,
                steps=told,
            ),
            self._child,
        )

    def _make_business(self) -> Business:
        return Business(
            f"{self._name}-business",
            BusinessArgs(place=self._args.place, network=self._network, code=self._code, capture=self.capture),
            self._child,
        )

    def _make_probe(self) -> Probe:
        return Probe(
            f"{self._name}-probe",
            ProbeArgs(
                place=self._args.place,
                code=self._code,
                network=self._network,
                warehouse=self.warehouse,
                database=self.capture.database,
                bigquery_location=self._args.bigquery_location,
                pipeline=DAILY.name,
                delivers=bool(self._args.webhook_url),
                paused=self._args.paused,
            ),
            self._child,
        )

    @property
    def _parts(self) -> Sequence[Capture | Pipeline | Business | Probe]:
        """What works in it."""
        return [self.capture, self.pipeline, *([self._business] if self._business else []), self._probe]

    def _watch(self) -> None:
        """Alerts, and where there is somebody who pays, a budget that tells the same people."""
        args, place = self._args, self._args.place
        monitoring = Monitoring(
            f"{self._name}-monitoring",
            MonitoringArgs(
                place=place,
                physical_name="monitoring",
                services=[service for part in self._parts for service in part.services],
                figures=FIGURES,
                probe=PROBE,
                heartbeat=HEARTBEAT,
                silence=SILENCE,
                probe_interval_s=INTERVAL_S,
                runbooks_url=args.runbooks_url,
                emails=args.alert_emails,
                silenced=args.resting,
            ),
            self._child,
        )
        if args.billing_account:
            Budget(
                f"{self._name}-budget",
                BudgetArgs(
                    place=place,
                    provider=self._quota,
                    billing_account=args.billing_account,
                    monthly_amount=args.monthly_budget,
                    channels=monitoring.channels,
                ),
                self._child,
            )

    def _make_deployer(self) -> WorkloadIdentity:
        place = self._args.place
        tagger = pulumi.Output.concat("projects/", place.project, "/roles/", tagger_role(PII))
        parts = (self._code, *self._parts)
        preview_roles = PREVIEW_ROLES + (PREVIEW_ROLES_FOR_KEYS if self._args.customer_managed_keys else ())
        return WorkloadIdentity(
            f"{self._name}-github",
            WorkloadIdentityArgs(
                place=place,
                physical_name=GITHUB,
                repository_id=self._args.github_repository_id,
                owner_id=self._args.github_owner_id,
                roles=DEPLOYER_ROLES,
                grantable_roles=(*PROJECT_ROLES, tagger),
                workloads=[workload for part in parts for workload in part.workloads],
                environment=self._args.github_environment,
                # Where an environment guards a stack, code of a pull request has no business.
                preview_roles=() if self._args.github_environment else preview_roles,
            ),
            self._child,
        )
