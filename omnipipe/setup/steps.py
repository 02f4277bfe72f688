"""What must exist before a stack's first `pulumi up`, each with the command that looks and the one that makes it."""

from __future__ import annotations

from dataclasses import dataclass

from stacks.foundation import BASE_APIS, KEY, KEY_RING, Foundation, Identity

Command = tuple[str, ...]

# A deployment writes the state after each resource: without an end to old versions, they soon are most of the bucket.
# gcloud takes their rule from a file only, which stands beside this one.
VERSIONS = "omnipipe/setup/state_versions.json"
VERSIONS_KEPT_DAYS = 30


@dataclass(frozen=True)
class Step:
    """Something that must exist: what it is, how to look, and how to make it.

    It is there when ``look`` succeeds and prints each line of ``shows``. In the commands and lines ``$name`` stands for
    what the lookup of that name prints. All of them run in the project's folder.
    """

    what: str
    look: Command
    shows: tuple[str, ...]
    make: Command


def environment(foundation: Foundation) -> dict[str, str]:
    """What all of the commands run with: Pulumi with the stack's state, whatever it is logged in to; no questions."""
    return {"PULUMI_BACKEND_URL": foundation.backend, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}


def lookups(foundation: Foundation, repository: str) -> dict[str, Command]:
    """What only Google and GitHub know, and commands take: the name that it has in them, and what prints it."""
    describe = ("gcloud", "projects", "describe", foundation.project, "--format=value(projectNumber)")
    return {
        "number": describe,
        "repository_id": ("gh", "api", f"repos/{repository}", "--jq", ".id"),
        "owner_id": ("gh", "api", f"repos/{repository}", "--jq", ".owner.id"),
    }


def steps(foundation: Foundation, repository: str) -> list[Step]:
    """All of them in their order; ``repository`` is OWNER/NAME on GitHub."""
    return [
        _apis(foundation),
        *_state(foundation),
        *_key(foundation),
        *(step for identity in foundation.identities for step in _identity(foundation, identity)),
        *_stack(foundation),
        *_environment(foundation, repository),
        *_variables(foundation, repository),
    ]


def _apis(foundation: Foundation) -> Step:
    names = tuple(f"{api}.googleapis.com" for api in BASE_APIS)
    of = f"--project={foundation.project}"
    return Step(
        f"the APIs {', '.join(BASE_APIS)}",
        ("gcloud", "services", "list", "--enabled", of, "--format=value(config.name)"),
        names,
        ("gcloud", "services", "enable", *names, of),
    )


def _state(foundation: Foundation) -> list[Step]:
    of, bucket = f"--project={foundation.project}", foundation.backend
    buckets = ("gcloud", "storage", "buckets")
    closed = ("--uniform-bucket-level-access", "--public-access-prevention")
    return [
        Step(
            f"the bucket {bucket} for the state",
            # Among those of the project: somebody else's of that name, which may be open to us, is not it.
            (*buckets, "list", of, "--format=value(name)"),
            (foundation.bucket,),
            (*buckets, "create", bucket, of, f"--location={foundation.region}", *closed),
        ),
        Step(
            "the state's former versions",
            (*buckets, "describe", bucket, "--format=value(versioning_enabled)"),
            ("True",),
            (*buckets, "update", bucket, "--versioning"),
        ),
        Step(
            f"an end to them after {VERSIONS_KEPT_DAYS} days",
            (
                *buckets,
                "describe",
                bucket,
                "--format=value(lifecycle_config.rule[0].condition.daysSinceNoncurrentTime)",
            ),
            (str(VERSIONS_KEPT_DAYS),),
            (*buckets, "update", bucket, f"--lifecycle-file={VERSIONS}"),
        ),
    ]


def _key(foundation: Foundation) -> list[Step]:
    where = (f"--location={foundation.region}", f"--project={foundation.project}")
    ring = f"--keyring={KEY_RING}"
    return [
        Step(
            f"the key ring {KEY_RING}",
            ("gcloud", "kms", "keyrings", "list", *where, "--format=value(name)"),
            (foundation.key_ring,),
            ("gcloud", "kms", "keyrings", "create", KEY_RING, *where),
        ),
        Step(
            f"the key {KEY} in it for the stack's secrets",
            ("gcloud", "kms", "keys", "list", ring, *where, "--format=value(name)"),
            (foundation.key,),
            ("gcloud", "kms", "keys", "create", KEY, ring, *where, "--purpose=encryption"),
        ),
    ]


def _identity(foundation: Foundation, identity: Identity) -> list[Step]:
    """An account, which the program takes over, and its rights on what it needs before the program knows it."""
    of, email = f"--project={foundation.project}", foundation.email(identity)
    member = f"serviceAccount:{email}"
    # A line for each role and member: `gcloud storage` does not know --filter here.
    listed = ("--flatten=bindings[].members", "--format=csv[no-heading](bindings.role,bindings.members)")
    key = (KEY, f"--keyring={KEY_RING}", f"--location={foundation.region}", of)
    accounts = ("gcloud", "iam", "service-accounts")
    buckets, keys = ("gcloud", "storage", "buckets"), ("gcloud", "kms", "keys")
    return [
        Step(
            f"the account {email}",
            (*accounts, "list", of, "--format=value(email)"),
            (email,),
            (*accounts, "create", identity.id, f"--display-name={identity.purpose}", of),
        ),
        Step(
            f"its right to the state: {identity.on_state}",
            (*buckets, "get-iam-policy", foundation.backend, *listed),
            (f"{identity.on_state},{member}",),
            (
                *buckets,
                "add-iam-policy-binding",
                foundation.backend,
                f"--member={member}",
                f"--role={identity.on_state}",
            ),
        ),
        Step(
            f"its right to the key: {identity.on_key}",
            (*keys, "get-iam-policy", *key, *listed),
            (f"{identity.on_key},{member}",),
            (*keys, "add-iam-policy-binding", *key, f"--member={member}", f"--role={identity.on_key}"),
        ),
    ]


def _stack(foundation: Foundation) -> list[Step]:
    stack, secrets = f"--stack={foundation.stack}", foundation.secrets_provider
    settings = {
        "gcp:project": foundation.project,
        "omnipipe:githubRepositoryId": "$repository_id",
        "omnipipe:githubOwnerId": "$owner_id",
    }
    return [
        Step(
            f"the stack {foundation.stack}",
            ("pulumi", "stack", "select", foundation.stack, "--non-interactive"),
            (),
            ("pulumi", "stack", "init", foundation.stack, f"--secrets-provider={secrets}"),
        ),
        Step(
            "its secrets, encrypted with the key",
            ("grep", "secretsprovider:", f"Pulumi.{foundation.stack}.yaml"),
            (f"secretsprovider: {secrets}",),
            ("pulumi", "stack", "change-secrets-provider", secrets, stack),
        ),
        *(
            Step(
                f"the setting {key}",
                ("pulumi", "config", "get", key, stack),
                (value,),
                ("pulumi", "config", "set", key, value, stack),
            )
            for key, value in settings.items()
        ),
    ]


def _environment(foundation: Foundation, repository: str) -> list[Step]:
    """GitHub's environment, into which only main is let: https://docs.github.com/rest/deployments/environments"""
    if not foundation.environment:
        return []
    environment = f"repos/{repository}/environments/{foundation.environment}"
    branches = f"{environment}/deployment-branch-policies"
    chosen = (
        "--field=deployment_branch_policy[protected_branches]=false",
        "--field=deployment_branch_policy[custom_branch_policies]=true",
    )
    return [
        Step(
            f"GitHub's environment {foundation.environment}",
            ("gh", "api", environment, "--jq", ".name"),
            (foundation.environment,),
            ("gh", "api", "--method=PUT", environment, *chosen),
        ),
        Step(
            "its rule that only main is let in",
            ("gh", "api", branches, "--jq", ".branch_policies[].name"),
            ("main",),
            ("gh", "api", "--method=POST", branches, "--raw-field=name=main"),
        ),
    ]


def _variables(foundation: Foundation, repository: str) -> list[Step]:
    return [
        Step(
            f"the repository's variable {name}",
            ("gh", "api", f"repos/{repository}/actions/variables/{name}", "--jq", ".value"),
            (value,),
            ("gh", "variable", "set", name, f"--repo={repository}", f"--body={value}"),
        )
        for name, value in foundation.variables("$number").items()
    ]
