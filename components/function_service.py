"""A Cloud Function that answers HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_gcp as gcp

from components.packaging import package_function
from components.place import Place
from components.secrets import Secret
from components.workload import Workload


@dataclass(frozen=True, kw_only=True)
class FunctionServiceArgs:
    """What a ``FunctionService`` needs.

    ``folder`` holds main.py, whose ``entry_point`` is called, and requirements.txt; ``bucket`` takes the zip;
    ``environment`` and ``secrets`` become environment variables; ``timeout_s`` is the longest answer, in seconds;
    ``invokers`` (who -> member) may call it.
    """

    place: Place
    folder: Path
    entry_point: str
    bucket: pulumi.Input[str]
    environment: Mapping[str, pulumi.Input[str]]
    invokers: Mapping[str, pulumi.Input[str]]
    timeout_s: int
    secrets: Mapping[str, Secret] = field(default_factory=dict)


class FunctionService(pulumi.ComponentResource):
    """A function with an identity of its own, built from a folder of this project.

    Creates the service account, the zip's object (its name holds the content's hash, so that a change of the
    source, and only that, deploys again), access to its secrets, the function, and the right to call it
    (``roles/run.invoker`` on the Cloud Run service beneath).

    Exposes ``uri`` and ``workload``, whose ``member`` takes further grants.
    """

    def __init__(self, name: str, args: FunctionServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:FunctionService", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.workload = Workload(f"{name}-function", args.place, f"Function {name}", opts=child)
        package = package_function(args.folder)
        source = gcp.storage.BucketObject(
            f"{name}-source",
            bucket=args.bucket,
            name=f"functions/{name}-{package.digest}.zip",
            source=pulumi.FileAsset(str(package.path)),
            opts=child,
        )
        access = [secret.grant_access(name, self.workload.member) for secret in args.secrets.values()]
        function = gcp.cloudfunctionsv2.Function(
            f"{name}-function",
            project=args.place.project,
            location=args.place.region,
            name=name,
            build_config={
                "runtime": "python312",
                "entry_point": args.entry_point,
                "source": {"storage_source": {"bucket": args.bucket, "object": source.name}},
            },
            service_config={
                "service_account_email": self.workload.email,
                "available_memory": "512Mi",
                "timeout_seconds": args.timeout_s,
                # The workflow calls one at a time: a second instance would only hide a second caller.
                "max_instance_count": 1,
                "ingress_settings": "ALLOW_ALL",
                "environment_variables": dict(args.environment),
                "secret_environment_variables": [
                    {
                        "key": variable,
                        "project_id": args.place.project,
                        "secret": secret.secret_id,
                        "version": secret.version,
                    }
                    for variable, secret in args.secrets.items()
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=access),
        )
        for who, member in args.invokers.items():
            gcp.cloudrunv2.ServiceIamMember(
                f"{name}-invoker-{who}",
                project=args.place.project,
                location=args.place.region,
                name=function.name,
                role="roles/run.invoker",
                member=member,
                opts=child,
            )
        self.uri = function.url
        self.register_outputs({"uri": self.uri})
