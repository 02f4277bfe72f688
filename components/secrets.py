"""Secrets that the program makes up, so that none has to be typed in or committed."""

import pulumi
import pulumi_gcp as gcp
import pulumi_random as random


class GeneratedSecret(pulumi.ComponentResource):
    """A random value in Secret Manager, with its first version.

    With ``webhook=True`` the value is 32 random bytes in the form of the Standard Webhooks specification
    (``whsec_`` and base64); otherwise it is a password of 32 letters and digits.

    Exposes ``value`` (a secret output), ``secret_id``, ``version``; ``grant_access`` gives
    ``roles/secretmanager.secretAccessor`` on this secret alone.
    """

    def __init__(
        self, name: str, project: str, *, webhook: bool = False, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("omnipipe:components:GeneratedSecret", name, {}, opts)
        self._name, self._project = name, project
        child = pulumi.ResourceOptions(parent=self)
        if webhook:
            generated = random.RandomBytes(f"{name}-value", length=32, opts=child)
            self.value = pulumi.Output.secret(pulumi.Output.concat("whsec_", generated.base64))
        else:
            self.value = random.RandomPassword(f"{name}-value", length=32, special=False, opts=child).result
        secret = gcp.secretmanager.Secret(
            f"{name}-secret", project=project, secret_id=name, replication={"auto": {}}, opts=child
        )
        version = gcp.secretmanager.SecretVersion(
            f"{name}-version", secret=secret.id, secret_data=self.value, opts=child
        )
        self.secret_id = secret.secret_id
        self.version = version.version
        self.register_outputs({"secret_id": self.secret_id, "version": self.version})

    def grant_access(self, who: str, member: pulumi.Input[str]) -> pulumi.Resource:
        """Let a member read this secret. ``who`` tells one grant from another in the program."""
        return gcp.secretmanager.SecretIamMember(
            f"{self._name}-{who}",
            project=self._project,
            secret_id=self.secret_id,
            role="roles/secretmanager.secretAccessor",
            member=member,
            opts=pulumi.ResourceOptions(parent=self),
        )
