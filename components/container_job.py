"""A Cloud Run job, built from a Dockerfile of this project."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_docker_build as docker_build
import pulumi_gcp as gcp

from components.packaging import ROOT
from components.place import Place
from components.secrets import Secret
from components.workload import Workload


@dataclass(frozen=True, kw_only=True)
class JobNetwork:
    """Where a job's traffic to private addresses leaves from."""

    network_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class ContainerJobArgs:
    """What a ``ContainerJob`` needs.

    ``folder`` holds the Dockerfile; the build's context is the project's root, less what the
    ``Dockerfile.dockerignore`` beside it leaves out. ``repository`` is the address of the Artifact Registry
    repository. ``timeout_s`` is the longest time of one attempt, in seconds; ``max_retries`` counts attempts after
    the first. ``run_after_deploy`` runs the job whenever its image or environment changed, before anything that
    depends on this component. ``runners`` (who -> member) may run it with overrides.
    """

    place: Place
    folder: Path
    repository: pulumi.Input[str]
    environment: Mapping[str, pulumi.Input[str]]
    timeout_s: int
    max_retries: int
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    network: JobNetwork | None = None
    run_after_deploy: bool = False
    runners: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    depends_on: Sequence[pulumi.Resource] = ()


class ContainerJob(pulumi.ComponentResource):
    """A job with an identity of its own, run from an image by digest.

    Creates the image, the service account, access to its secrets, the job, and the right to run it
    (``roles/run.developer`` on the job, which overriding its environment needs).

    Exposes ``job_id`` (``projects/…/jobs/NAME``), ``job`` to depend on, and ``workload``.
    """

    def __init__(self, name: str, args: ContainerJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:ContainerJob", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.workload = Workload(f"{name}-job", args.place, f"Job {name}", opts=child)
        image = docker_build.Image(
            f"{name}-image",
            context={"location": str(ROOT)},
            dockerfile={"location": str(args.folder / "Dockerfile")},
            platforms=[docker_build.Platform.LINUX_AMD64],
            tags=[pulumi.Output.concat(args.repository, "/", name, ":latest")],
            push=True,
            build_on_preview=False,
            opts=child,
        )
        access = [secret.grant_access(name, self.workload.member) for secret in args.secrets.values()]
        environment: list[gcp.cloudrunv2.JobTemplateTemplateContainerEnvArgsDict] = [
            *({"name": key, "value": value} for key, value in args.environment.items()),
            *(
                {"name": key, "value_source": {"secret_key_ref": {"secret": s.secret_id, "version": s.version}}}
                for key, s in args.secrets.items()
            ),
        ]
        # A change of what it does or is told changes the token, and a changed token runs the job.
        token = pulumi.Output.json_dumps([image.digest, environment]).apply(_token)
        self.job = gcp.cloudrunv2.Job(
            f"{name}-job",
            project=args.place.project,
            location=args.place.region,
            name=name,
            deletion_protection=False,
            run_execution_token=token if args.run_after_deploy else None,
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
                        "network_interfaces": [
                            {"network": args.network.network_id, "subnetwork": args.network.subnet_id}
                        ],
                        "egress": "PRIVATE_RANGES_ONLY",
                    }
                    if args.network
                    else None,
                },
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*access, *args.depends_on]),
        )
        for who, member in args.runners.items():
            gcp.cloudrunv2.JobIamMember(
                f"{name}-runner-{who}",
                project=args.place.project,
                location=args.place.region,
                name=self.job.name,
                role="roles/run.developer",
                member=member,
                opts=child,
            )
        self.job_id = self.job.id
        self.register_outputs({"job_id": self.job_id})


def _token(content: str) -> str:
    # The API takes a short suffix of letters and digits for the execution's name.
    return hashlib.sha256(content.encode()).hexdigest()[:10]
