"""A Cloud Run job, built from a Dockerfile."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_docker_build as docker_build
import pulumi_gcp as gcp

from components.checks import require
from components.packaging import from_the_program
from components.place import Place
from components.secrets import Secret
from components.workload import Workload, WorkloadArgs


@dataclass(frozen=True, kw_only=True)
class ContainerJobArgs:
    """What a ``ContainerJob`` needs.

    ``physical_name`` is the job's, and its image's. ``folder`` holds the Dockerfile; ``context`` is the build's, less
    what the ``Dockerfile.dockerignore`` beside it leaves out. ``registry`` is the address that the image is pushed to;
    ``network_id`` and ``subnet_id`` are where traffic to private addresses leaves from, if there is any.
    ``timeout_s`` is the longest time of one attempt, in seconds; ``max_retries`` counts attempts after the first. With
    ``prepares``, the id of what the job prepares for others, a deployment runs it whenever that or the job changed, and
    again until it has succeeded, before anything that depends on this component; ``on_hold`` leaves it as it is, so
    that a deployment does not run it while what it prepares is stopped. ``runners`` may run it; with
    ``overrides``, also with another environment.

    Raises ValueError for a folder without Dockerfile, a timeout over a week or more than ten retries
    (https://cloud.google.com/run/quotas), for a variable that is given twice, and for half of a network.
    """

    place: Place
    physical_name: str
    registry: pulumi.Input[str]
    context: Path
    folder: Path
    environment: Mapping[str, pulumi.Input[str]]
    timeout_s: int
    max_retries: int
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    network_id: pulumi.Input[str] | None = None
    subnet_id: pulumi.Input[str] | None = None
    prepares: pulumi.Input[str] | None = None
    on_hold: bool = False
    runners: tuple[Workload, ...] = ()
    overrides: bool = False
    workload: Workload | None = None
    depends_on: Sequence[pulumi.Resource] = ()

    def __post_init__(self) -> None:
        twice = sorted(self.environment.keys() & self.secrets.keys())
        require(
            ((self.folder / "Dockerfile").is_file(), f"{self.folder} has no Dockerfile: name a job's folder"),
            (1 <= self.timeout_s <= 7 * 86400, f"timeout_s is {self.timeout_s}: give 1 s to 7 days"),
            (
                0 <= self.max_retries <= 10,
                f"max_retries is {self.max_retries}: give 0 to 10",
            ),
            (
                (self.network_id is None) == (self.subnet_id is None),
                "one of network_id and subnet_id is given: give both, or none",
            ),
            (not twice, f"given twice, as environment and as secret: {', '.join(twice)}"),
        )


class ContainerJob(pulumi.ComponentResource):
    """A job with an identity of its own, run from an image by digest.

    Creates the service account, the image (not on a preview), access to its secrets, the job, and the right to run
    it: ``roles/run.jobsExecutor`` on the job, or ``roles/run.jobsExecutorWithOverrides``.

    Exposes ``job_id`` (``projects/…/jobs/NAME``), ``job`` to depend on, ``run_uri``, which a schedule posts to, and
    ``workload``, whose ``member`` takes further grants. A ``workload`` made before may be given, where something
    that the job waits for needs its name.

    Example::

        from pathlib import Path

        from components.code_store import CodeStore, CodeStoreArgs
        from components.container_job import ContainerJob, ContainerJobArgs
        from components.place import Place

        place = Place("my-project", "europe-west1")
        ContainerJob(
            "validate",
            ContainerJobArgs(
                place=place,
                physical_name="validate",
                registry=CodeStore("code", CodeStoreArgs(place=place)).registry,
                context=Path.cwd(),
                folder=Path.cwd() / "jobs" / "dvt",
                environment={"GOOGLE_CLOUD_PROJECT": "my-project", "BIGQUERY_LOCATION": "EU"},
                timeout_s=3600,
                max_retries=1,
            ),
        )
    """

    def __init__(self, name: str, args: ContainerJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:ContainerJob", name, {}, opts)
        physical, child = args.physical_name, pulumi.ResourceOptions(parent=self)
        self.workload = args.workload or Workload(
            f"{name}-workload",
            WorkloadArgs(place=args.place, physical_name=f"{physical}-job", purpose=f"Job {physical}"),
            child,
        )
        image = docker_build.Image(
            f"{name}-image",
            context={"location": from_the_program(args.context)},
            dockerfile={"location": from_the_program(args.folder / "Dockerfile")},
            platforms=[docker_build.Platform.LINUX_AMD64],
            tags=[pulumi.Output.concat(args.registry, "/", physical, ":latest")],
            push=True,
            build_on_preview=False,
            opts=child,
        )
        access = [secret.grant_access(physical, self.workload.member) for secret in args.secrets.values()]
        environment: list[gcp.cloudrunv2.JobTemplateTemplateContainerEnvArgsDict] = [
            *({"name": key, "value": value} for key, value in args.environment.items()),
            *(
                {"name": key, "value_source": {"secret_key_ref": {"secret": s.secret_id, "version": s.version}}}
                for key, s in args.secrets.items()
            ),
        ]
        # A change of what it does, is told or does it for changes the token, and a changed token runs the job.
        # docs/decisions/0011-a-job-that-a-deployment-runs-is-made-anew.md
        token = pulumi.Output.json_dumps([image.digest, environment, args.prepares]).apply(_token)
        self.job = gcp.cloudrunv2.Job(
            f"{name}-job",
            project=args.place.project,
            location=args.place.region,
            name=physical,
            deletion_protection=False,
            run_execution_token=token if args.prepares is not None else None,
            template={
                "task_count": 1,
                "template": {
                    "service_account": self.workload.email,
                    "max_retries": args.max_retries,
                    "timeout": f"{args.timeout_s}s",
                    "containers": [
                        {
                            "image": image.ref,
                            "envs": environment,
                            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                        }
                    ],
                    "vpc_access": {
                        "network_interfaces": [{"network": args.network_id, "subnetwork": args.subnet_id}],
                        "egress": "PRIVATE_RANGES_ONLY",
                    }
                    if args.network_id is not None
                    else None,
                },
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*access, *args.depends_on],
                # Only "*" makes anew what failed at its creation too. A new job has the same name.
                replace_on_changes=["*"] if args.prepares is not None and not args.on_hold else None,
                delete_before_replace=True if args.prepares is not None else None,
                ignore_changes=["template", "run_execution_token"] if args.on_hold else None,
            ),
        )
        for runner in args.runners:
            gcp.cloudrunv2.JobIamMember(
                f"{name}-runner-{runner.physical_name}",
                project=args.place.project,
                location=args.place.region,
                name=self.job.name,
                role="roles/run.jobsExecutorWithOverrides" if args.overrides else "roles/run.jobsExecutor",
                member=runner.member,
                opts=child,
            )
        self.job_id = self.job.id
        self.run_uri = pulumi.Output.concat("https://run.googleapis.com/v2/", self.job.id, ":run")
        self.register_outputs({"job_id": self.job_id})


def _token(content: str) -> str:
    # The API takes a short suffix of letters and digits for the execution's name.
    return hashlib.sha256(content.encode()).hexdigest()[:10]
