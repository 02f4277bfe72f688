"""Keys of one's own (CMEK) for everything that holds data."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.checks import is_bigquery_location, require
from components.place import Place
from components.settling import SETTLES_WITHIN_S, patient, settling

ROTATION = "7776000s"  # 90 days; the API takes seconds only
# Where Cloud KMS keeps the keys of BigQuery's multi-regions: https://cloud.google.com/bigquery/docs/customer-managed-encryption
_MULTI_REGIONS = {"EU": "europe", "US": "us"}


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The id of the key that each service encrypts with; None for Google's own."""

    database: pulumi.Output[str] | None = None
    bigquery: pulumi.Output[str] | None = None
    storage: pulumi.Output[str] | None = None
    secrets: pulumi.Output[str] | None = None
    images: pulumi.Output[str] | None = None


@dataclass(frozen=True, kw_only=True)
class EncryptionArgs:
    """What an ``Encryption`` needs: where everything is, the location of the datasets, and within how many seconds
    Google knows of a grant everywhere.

    Raises ValueError for what is no location.
    """

    place: Place
    bigquery_location: str
    settles_within: int = SETTLES_WITHIN_S

    def __post_init__(self) -> None:
        require(
            (
                is_bigquery_location(self.bigquery_location),
                f"bigquery_location is {self.bigquery_location!r}: give EU, US, or a region such as europe-west1",
            )
        )


class Encryption(pulumi.ComponentResource):
    """A key for each service that holds data, where that service demands it, rotated every 90 days.

    Creates a key ring in each location, a key a service, and the service agents that Google has not made yet.
    Grants ``roles/cloudkms.cryptoKeyEncrypterDecrypter`` on each key to its service's agent and to nobody else.

    Exposes ``keys``. What takes one of them waits until the grant counts, because the service would refuse a key that
    it may not use.

    All of it is protected in every stack: a key ring cannot be deleted, and data without its key is lost. Key rings
    get a name with a random suffix, so that an environment can be made again after all else is gone.

    Example::

        import pulumi_gcp as gcp
        from components.encryption import Encryption, EncryptionArgs
        from components.place import Place

        place = Place("my-project", "europe-west1")
        keys = Encryption("encryption", EncryptionArgs(place=place, bigquery_location="EU")).keys
        gcp.storage.Bucket("files", location="europe-west1", encryption={"default_kms_key_name": keys.storage})
    """

    def __init__(self, name: str, args: EncryptionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        protected = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=True))
        super().__init__("omnipipe:components:Encryption", name, {}, protected)
        self._name, self._project = name, args.place.project
        self._rings: dict[str, gcp.kms.KeyRing] = {}
        # The agents are new, and a grant to one that Google does not know of yet is refused.
        settles, waits = settling(name, args.settles_within), patient(name, "does not exist")
        self._hooks = pulumi.ResourceHookBinding(after_create=settles.after_create, on_error=waits.on_error)
        # A look-up is no child: it waits for nothing by itself, and its API may not be enabled yet.
        lookup = pulumi.InvokeOutputOptions(parent=self, depends_on=protected.depends_on)
        region = args.place.region
        bigquery = gcp.bigquery.get_default_service_account_output(project=self._project, opts=lookup)
        storage = gcp.storage.get_project_service_account_output(project=self._project, opts=lookup)
        self.keys = Keys(
            database=self._key("database", region, self._agent("sqladmin")),
            bigquery=self._key(
                "bigquery", _MULTI_REGIONS.get(args.bigquery_location, args.bigquery_location), bigquery.member
            ),
            storage=self._key("storage", region, storage.member),
            # Secrets that Google replicates where it likes take a global key.
            secrets=self._key("secrets", "global", self._agent("secretmanager")),
            images=self._key("images", region, self._agent("artifactregistry")),
        )
        self.register_outputs(vars(self.keys))

    def _agent(self, service: str) -> pulumi.Output[str]:
        """The service's own account in this project; Google makes it at the first use, which would be too late."""
        return gcp.projects.ServiceIdentity(
            f"{self._name}-{service}-agent",
            project=self._project,
            service=f"{service}.googleapis.com",
            opts=pulumi.ResourceOptions(parent=self),
        ).member

    def _key(self, purpose: str, location: str, agent: pulumi.Input[str]) -> pulumi.Output[str]:
        """A key that an agent may use: its id, known when the grant exists."""
        child = pulumi.ResourceOptions(parent=self)
        if location not in self._rings:
            self._rings[location] = gcp.kms.KeyRing(
                f"{self._name}-{location}", project=self._project, location=location, opts=child
            )
        key = gcp.kms.CryptoKey(
            f"{self._name}-{purpose}",
            key_ring=self._rings[location].id,
            name=purpose,
            rotation_period=ROTATION,
            opts=child,
        )
        grant = gcp.kms.CryptoKeyIAMMember(
            f"{self._name}-{purpose}-agent",
            crypto_key_id=key.id,
            role="roles/cloudkms.cryptoKeyEncrypterDecrypter",
            member=agent,
            opts=pulumi.ResourceOptions(parent=self, hooks=self._hooks),
        )
        return pulumi.Output.all(key.id, grant.id).apply(lambda known: known[0])
