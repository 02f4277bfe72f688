"""The whole platform in one screen: what there is, and what stands on what."""

import pulumi

from components.api_services import ApiServices
from components.capture import Capture, CaptureArgs
from components.code_store import CodeStore, CodeStoreArgs
from components.daily_pipeline import DailyPipeline, DailyPipelineArgs
from components.network import Network
from components.platform_args import PlatformArgs
from components.secrets import Secrets, SecretsArgs
from components.warehouse import Warehouse, WarehouseArgs
from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES


class Platform(pulumi.ComponentResource):
    """One environment: Postgres -> Datastream -> BigQuery, a daily workflow over it, and the KPIs out again.

    Exposes the components that others may build on: ``capture``, ``warehouse``, ``pipeline``.
    """

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Platform", name, {}, opts)
        place = args.place
        apis = ApiServices("apis", place, pulumi.ResourceOptions(parent=self))
        child = pulumi.ResourceOptions(parent=self, depends_on=[apis])

        network = Network("network", place, child)
        secrets = Secrets("secrets", SecretsArgs(place=place), child)
        code = CodeStore("code", CodeStoreArgs(place=place), child)
        self.warehouse = warehouse = Warehouse(
            "warehouse",
            WarehouseArgs(
                place=place,
                location=args.bigquery_location,
                protect=args.protect_data,
                datasets=DATASETS,
                tables=DECLARED_TABLES,
            ),
            child,
        )
        self.capture = Capture(
            "capture",
            CaptureArgs(
                place=place,
                network=network,
                secrets=secrets,
                code=code,
                warehouse=warehouse,
                tier=args.database_tier,
                availability=args.database_availability,
                protect=args.protect_data,
            ),
            child,
        )
        self.pipeline = DailyPipeline(
            "daily",
            DailyPipelineArgs(
                place=place,
                code=code,
                secrets=secrets,
                warehouse=warehouse,
                bigquery_location=args.bigquery_location,
                weather_api_url=args.weather_api_url,
                webhook_url=args.webhook_url,
                schedule=args.schedule,
                time_zone=args.time_zone,
                paused=args.schedule_paused,
            ),
            child,
        )
        self.register_outputs({"workflow": self.pipeline.workflow.id})
