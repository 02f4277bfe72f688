"""Secrets that the program makes up, so that none has to be typed in or committed."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp
import pulumi_random as random

from components.checks import is_secret_id, require
from components.place import Place

FIRST_KEY = "1"


@dataclass(frozen=True)
class Secret:
    """A secret with its first version: ``value`` (a secret output), ``secret_id`` and ``version``.

    ``name`` is what the names of its resources begin with.
    """

    name: str
    place: Place
    secret_id: pulumi.Output[str]
    version: pulumi.Output[str]
    value: pulumi.Output[str]
    parent: pulumi.Resource

    def grant_access(self, who: str, member: pulumi.Input[str]) -> pulumi.Resource:
        """Let a member read this secret and no other. ``who`` tells one grant from another in the program."""
        return gcp.secretmanager.SecretIamMember(
            f"{self.name}-{who}",
            project=self.place.project,
            secret_id=self.secret_id,
            role="roles/secretmanager.secretAccessor",
            member=member,
            opts=pulumi.ResourceOptions(parent=self.parent),
        )


@dataclass(frozen=True, kw_only=True)
class SecretsArgs:
    """What ``Secrets`` need: where they are, and the key that they are encrypted with, if not Google's own."""

    place: Place
    kms_key: pulumi.Input[str] | None = None


class Secrets(pulumi.ComponentResource):
    """The secrets of an environment in Secret Manager, each with a value from the first ``up`` on.

    ``password`` and ``signing_keys`` create random values, the secret and its version, and return a ``Secret``,
    whose ``grant_access`` gives ``roles/secretmanager.secretAccessor`` on it alone. Values are secret in the state.

    Both take the secret's id, and raise ValueError for what cannot be one.

    Example::

        import pulumi
        from components.place import Place
        from components.secrets import Secrets, SecretsArgs

        secrets = Secrets("secrets", SecretsArgs(place=Place("my-project", "europe-west1")))
        password = secrets.password("shop-database")
        password.grant_access("shop", "serviceAccount:shop@my-project.iam.gserviceaccount.com")
    """

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Secrets", name, {}, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        self.register_outputs({})

    def password(self, physical_name: str) -> Secret:
        """A secret of 32 random letters and digits."""
        generated = random.RandomPassword(
            f"{self._name}-{physical_name}-value", length=32, special=False, opts=self._child
        )
        return self._secret(physical_name, generated.result)

    def signing_keys(self, physical_name: str, names: Sequence[str] = (FIRST_KEY,)) -> Secret:
        """A secret of keys of 32 random bytes, each in the form of the Standard Webhooks specification.

        ``whsec_`` and base64, with a space between two, in the order of ``names``. Who signs does so with each of them,
        so a receiver may know the old one or the new one while a key is replaced.
        """
        generated = [
            random.RandomBytes(f"{self._name}-{physical_name}-value{_end(each)}", length=32, opts=self._child)
            for each in names
        ]
        keys = [pulumi.Output.concat("whsec_", each.base64) for each in generated]
        return self._secret(physical_name, pulumi.Output.all(*keys).apply(" ".join))

    def _secret(self, physical_name: str, value: pulumi.Output[str]) -> Secret:
        require(
            (
                is_secret_id(physical_name),
                f"{physical_name!r} cannot be a secret's id: take letters, digits, hyphens and underscores, at most "
                "255",
            )
        )
        name, key = f"{self._name}-{physical_name}", self._args.kms_key
        secret = gcp.secretmanager.Secret(
            name,
            project=self._args.place.project,
            secret_id=physical_name,
            replication={"auto": {"customer_managed_encryption": {"kms_key_name": key} if key else None}},
            opts=self._child,
        )
        version = gcp.secretmanager.SecretVersion(
            f"{name}-version", secret=secret.id, secret_data=value, opts=self._child
        )
        return Secret(name, self._args.place, secret.secret_id, version.version, value, self)


def _end(key: str) -> str:
    """The end of a key's name in the program. The first key has none: it was there before there were others."""
    return "" if key == FIRST_KEY else f"-{key}"
