"""The program: `pulumi up` gives it to Google, `omnipipe up` to this machine."""

import pulumi

from components.platform import Platform
from stacks.settings import Settings

platform = Platform("omnipipe", Settings.load())

pulumi.export("workflow", platform.pipeline.workflow.id)
pulumi.export("database", platform.capture.database.connection)
pulumi.export("raw_dataset", platform.warehouse.dataset_id("raw"))
