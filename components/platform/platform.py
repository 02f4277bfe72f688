"""The whole platform: what there is, and what stands on what.

FixedSettings                        what is not changed while it is up
ApiServices                          what Google has to switch on
Encryption (on demand), Network,     what everything stands on
Secrets, CodeStore
Warehouse, PiiPolicy                 where data lives, and who may read what
Capture                              Postgres -> migrate, Datastream -> raw
DailyPipeline                        weather -> dbt -> validate -> reverse sync, by a workflow
Probe, Monitoring, Budget            who watches: figures and errors, alerts, costs
WorkloadIdentity (on demand)         who deploys
"""

import re

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
from components.packaging import ROOT
from components.pii_policy import PiiPolicy, PiiPolicyArgs, tagger_role
from components.platform.args import PlatformArgs
from components.platform.capture import Capture, CaptureArgs
from components.platform.daily_pipeline import WORKFLOW, DailyPipeline, DailyPipelineArgs
from components.platform.figures import FIGURES, HEARTBEAT, SILENCE
from components.platform.probe import INTERVAL_S, PROBE, Probe, ProbeArgs
from components.quota_provider import quota_provider
from components.secrets import Secrets, SecretsArgs
from components.warehouse import Warehouse, WarehouseArgs
from components.workload import PROJECT_ROLES
from components.workload_identity import WorkloadIdentity, WorkloadIdentityArgs
from omnipipe.contracts import checks
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
            customer_managed_keys=True,
            schedule="0 5 * * *",
            time_zone="Europe/Berlin",
            schedule_paused=False,
            weather_api_url="https://api.open-meteo.com",
            webhook_url="https://example.com/hook",
            webhook_allow_private=False,
            pii_readers=("group:support@example.com",),
            pii_masked_readers=("group:analysts@example.com",),
            alert_emails=("data@example.com",),
            runbooks_url="https://example.com/runbooks",
            billing_account="01AB23-CD45EF-678901",
            monthly_budget=300,
            github_repository_id="123456789",
            github_owner_id="987654",
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
        place = args.place
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
        # Nothing is made before that is agreed, because everything else waits for the APIs.
        apis = ApiServices(f"{name}-apis", place, pulumi.ResourceOptions(parent=self, depends_on=[fixed.agreed]))
        child = pulumi.ResourceOptions(parent=self, depends_on=[apis])
        provider = quota_provider(f"{name}-quota", place, pulumi.ResourceOptions(parent=self))

        # What everything stands on.
        keys = Keys()
        if args.customer_managed_keys:
            keys = Encryption(
                f"{name}-keys", EncryptionArgs(place=place, bigquery_location=args.bigquery_location), child
            ).keys
        network = Network(f"{name}-network", place, child)
        secrets = Secrets(f"{name}-secrets", SecretsArgs(place=place, kms_key=keys.secrets), child)
        code = CodeStore(
            f"{name}-code",
            CodeStoreArgs(place=place, bucket_kms_key=keys.storage, images_kms_key=keys.images),
            child,
        )

        # Where data lives, and who may read what.
        self.warehouse = warehouse = Warehouse(
            f"{name}-warehouse",
            WarehouseArgs(
                place=place,
                location=args.bigquery_location,
                protect=args.protect_data,
                datasets=DATASETS,
                tables=DECLARED_TABLES,
                kms_key=keys.bigquery,
            ),
            child,
        )
        pii = PiiPolicy(
            f"{name}-pii",
            PiiPolicyArgs(
                place=place,
                physical_name=PII,
                provider=provider,
                location=args.bigquery_location,
                protect=args.protect_data,
                readers=dict.fromkeys(Sensitivity, args.pii_readers),
                masked_readers=dict.fromkeys(Sensitivity, args.pii_masked_readers),
            ),
            child,
        )

        # What happens: all day, and once a day.
        self.capture = Capture(
            f"{name}-capture",
            CaptureArgs(
                place=place,
                network=network,
                secrets=secrets,
                code=code,
                warehouse=warehouse,
                tier=args.database_tier,
                availability=args.database_availability,
                protect=args.protect_data,
                kms_key=keys.database,
            ),
            child,
        )
        self.pipeline = DailyPipeline(
            f"{name}-daily",
            DailyPipelineArgs(
                place=place,
                network=network,
                capture=self.capture,
                code=code,
                secrets=secrets,
                warehouse=warehouse,
                pii=pii,
                bigquery_location=args.bigquery_location,
                weather_api_url=args.weather_api_url,
                webhook_url=args.webhook_url,
                webhook_allow_private=args.webhook_allow_private,
                schedule=args.schedule,
                time_zone=args.time_zone,
                paused=args.schedule_paused,
            ),
            child,
        )

        # Who watches, and who deploys.
        probe = Probe(
            f"{name}-probe",
            ProbeArgs(
                place=place,
                code=code,
                network=network,
                warehouse=warehouse,
                database=self.capture.database,
                bigquery_location=args.bigquery_location,
                pipeline=WORKFLOW,
                paused=args.schedule_paused,
            ),
            child,
        )
        monitoring = Monitoring(
            f"{name}-monitoring",
            MonitoringArgs(
                place=place,
                physical_name="monitoring",
                services=(*self.capture.services, *self.pipeline.services, *probe.services),
                figures=FIGURES,
                probe=PROBE,
                heartbeat=HEARTBEAT,
                silence=SILENCE,
                probe_interval_s=INTERVAL_S,
                runbooks_url=args.runbooks_url,
                emails=args.alert_emails,
            ),
            child,
        )
        if args.billing_account:
            Budget(
                f"{name}-budget",
                BudgetArgs(
                    place=place,
                    provider=provider,
                    billing_account=args.billing_account,
                    monthly_amount=args.monthly_budget,
                    channels=monitoring.channels,
                ),
                child,
            )
        self.deployer = None
        if args.github_repository_id:
            self.deployer = WorkloadIdentity(
                f"{name}-github",
                WorkloadIdentityArgs(
                    place=place,
                    physical_name="github",
                    repository_id=args.github_repository_id,
                    owner_id=args.github_owner_id,
                    grantable_roles=(*PROJECT_ROLES, f"projects/{place.project}/roles/{tagger_role(PII)}"),
                    workloads=(
                        *code.workloads,
                        *self.capture.workloads,
                        *self.pipeline.workloads,
                        *probe.workloads,
                    ),
                ),
                child,
            )
        self.register_outputs({"workflow": self.pipeline.workflow.id})
