"""The program: `pulumi up` gives it to Google, `omnipipe up` to this machine."""

import atexit
import gc

# Pulumi's SDK and the provider make very many objects that live until the end. With Python's own thresholds, looking
# for garbage among them is half of the program's time, a part of it when the process ends.
gc.set_threshold(100_000, 50, 1000)
atexit.register(gc.freeze)

import pulumi  # noqa: E402 - what is set above is for the imports too

from stacks import lean_imports  # noqa: E402

lean_imports.install()

from components.platform.platform import Platform  # noqa: E402
from stacks.settings import Settings  # noqa: E402

platform = Platform("omnipipe", Settings.load())

pulumi.export("workflow", platform.pipeline.workflow.id)
pulumi.export("database", platform.capture.database.connection)
pulumi.export("raw_dataset", platform.warehouse.dataset_id("raw"))
if platform.deployer:
    pulumi.export("workload_identity_provider", platform.deployer.provider_name)
    pulumi.export("deployer", platform.deployer.deployer_email)
