"""The program: `pulumi up` gives it to Google, `omnipipe up` to this machine."""

import pulumi

from components.platform.platform import Platform
from stacks.settings import Settings

platform = Platform("omnipipe", Settings.load())

pulumi.export("workflow", platform.pipeline.workflow.id)
pulumi.export("database", platform.capture.database.connection)
pulumi.export("raw_dataset", platform.warehouse.dataset_id("raw"))
if platform.deployer:
    pulumi.export("workload_identity_provider", platform.deployer.provider_name)
    pulumi.export("deployer", platform.deployer.deployer_email)
    if platform.deployer.previewer_email:
        pulumi.export("preview_provider", platform.deployer.preview_provider_name)
        pulumi.export("previewer", platform.deployer.previewer_email)
