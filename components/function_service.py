"""A Cloud Function that answers HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_gcp as gcp
from pulumi_gcp.cloudfunctionsv2.outputs import FunctionServiceConfig

from components.checks import require
from components.packaging import Sources, package_function
from components.place import Place
from components.secrets import Secret
from components.workload import Workload, WorkloadArgs


@dataclass(frozen=True, kw_only=True)
class FunctionServiceArgs:
    """What a ``FunctionService`` needs.

    ``physical_name`` is the function's; ``folder`` holds main.py, whose ``entry_point`` is called, and
    requirements.txt; ``sources`` says what travels with it. ``bucket`` takes the zip, ``builder`` (an account's full
    name) builds it, ``repository_id`` (``projects/…``) keeps the image, and ``depends_on`` is what must count before.
    ``environment`` and ``secrets`` become environment variables; ``timeout_s`` is the longest answer, in seconds;
    ``invokers`` may call it.

    Raises ValueError for a timeout over an hour (https://cloud.google.com/functions/quotas) and for a variable that
    is given twice.
    """

    place: Place
    physical_name: str
    sources: Sources
    folder: Path
    entry_point: str
    bucket: pulumi.Input[str]
    builder: pulumi.Input[str]
    repository_id: pulumi.Input[str]
    environment: Mapping[str, pulumi.Input[str]]
    invokers: tuple[Workload, ...]
    timeout_s: int
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    depends_on: Sequence[pulumi.Resource] = ()

    def __post_init__(self) -> None:
        twice = sorted(self.environment.keys() & self.secrets.keys())
        require(
            (1 <= self.timeout_s <= 3600, f"timeout_s is {self.timeout_s}: a function answers within 1 to 3600 s"),
            (self.entry_point.isidentifier(), f"entry_point is {self.entry_point!r}: name a function of main.py"),
            (not twice, f"given twice, as environment and as secret: {', '.join(twice)}"),
        )


class FunctionService(pulumi.ComponentResource):
    """A function with an identity of its own, built from a folder of a project.

    Creates the service account, the zip's object (its name holds the content's hash, so that a change of the
    source, and only that, deploys again), access to its secrets, the function, and the right to call it
    (``roles/run.invoker`` on the Cloud Run service beneath). Calls come from inside the project only, which its
    workflows and schedules are, where they call the service by its own address.

    Exposes ``uri``, that address, and ``workload``, whose ``member`` takes further grants.

    Example::

        from pathlib import Path

        from components.code_store import CodeStore, CodeStoreArgs
        from components.function_service import FunctionService, FunctionServiceArgs
        from components.packaging import Sources
        from components.place import Place
        from components.workload import Workload, WorkloadArgs

        place = Place("my-project", "europe-west1")
        code = CodeStore("code", CodeStoreArgs(place=place))
        root = Path.cwd()
        caller = Workload(
            "caller", WorkloadArgs(place=place, physical_name="weather-caller", purpose="Calls the function")
        )
        FunctionService(
            "weather",
            FunctionServiceArgs(
                place=place,
                physical_name="weather",
                sources=Sources(root=root, shared=("omnipipe",), packages=root / ".omnipipe" / "packages"),
                folder=root / "functions" / "weather",
                entry_point="weather",
                bucket=code.bucket,
                builder=code.builder,
                repository_id=code.repository_id,
                depends_on=code.ready,
                environment={"BIGQUERY_LOCATION": "EU"},
                invokers=(caller,),
                timeout_s=120,
            ),
        )
    """

    def __init__(self, name: str, args: FunctionServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:FunctionService", name, {}, opts)
        physical, child = args.physical_name, pulumi.ResourceOptions(parent=self)
        self.workload = Workload(
            f"{name}-workload",
            WorkloadArgs(place=args.place, physical_name=f"{physical}-function", purpose=f"Function {physical}"),
            child,
        )
        package = package_function(args.folder, args.sources)
        source = gcp.storage.BucketObject(
            f"{name}-source",
            bucket=args.bucket,
            name=f"functions/{physical}-{package.digest}.zip",
            source=pulumi.FileAsset(str(package.path)),
            opts=child,
        )
        access = [secret.grant_access(physical, self.workload.member) for secret in args.secrets.values()]
        function = gcp.cloudfunctionsv2.Function(
            f"{name}-function",
            project=args.place.project,
            location=args.place.region,
            name=physical,
            build_config={
                "runtime": "python312",
                "entry_point": args.entry_point,
                "service_account": args.builder,
                "docker_repository": args.repository_id,
                "source": {"storage_source": {"bucket": args.bucket, "object": source.name}},
            },
            service_config={
                "service_account_email": self.workload.email,
                "available_memory": "512Mi",
                "timeout_seconds": args.timeout_s,
                # The workflow calls one at a time: a second instance would only hide a second caller.
                "max_instance_count": 1,
                "ingress_settings": "ALLOW_INTERNAL_ONLY",
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
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*access, *args.depends_on]),
        )
        for caller in args.invokers:
            gcp.cloudrunv2.ServiceIamMember(
                f"{name}-invoker-{caller.physical_name}",
                project=args.place.project,
                location=args.place.region,
                name=function.name,
                role="roles/run.invoker",
                member=caller.member,
                opts=child,
            )
        # Not its `url`, on cloudfunctions.net: there, a workflow of this project comes from outside.
        # https://cloud.google.com/run/docs/securing/ingress#settings
        self.uri = function.service_config.apply(_address)
        self.register_outputs({"uri": self.uri})


def _address(service: FunctionServiceConfig | None) -> str:
    """Google fills it in. Raises ValueError when it did not: there is nothing to call then."""
    if service is None or service.uri is None:
        raise ValueError("the function has no address of its own: it was not deployed")
    return service.uri
