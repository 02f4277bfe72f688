"""What a stack stands on and no program makes: where its state is, what encrypts its secrets, who may reach both."""

from __future__ import annotations

from dataclasses import dataclass

from components.place import Place
from components.platform.google_project import GITHUB

# What `pulumi up` calls before it has enabled anything, or what making the foundation itself takes; the program enables
# the others. `sts` and `iamcredentials` are how GitHub's runs become an account.
BASE_APIS = ("cloudkms", "cloudresourcemanager", "iam", "iamcredentials", "serviceusage", "storage", "sts")

KEY_RING, KEY = "pulumi", "secrets"
CUSTOM_ROLE = "pii_tagger"  # the one that the program makes; Google keeps a deleted one's id
# Both change nothing but the state itself, and nothing but who knows its secrets.
DEPLOYER_ON_STATE, DEPLOYER_ON_KEY = "roles/storage.objectUser", "roles/cloudkms.cryptoKeyEncrypterDecrypter"
PREVIEWER_ON_STATE, PREVIEWER_ON_KEY = "roles/storage.objectViewer", "roles/cloudkms.cryptoKeyDecrypter"


@dataclass(frozen=True)
class Identity:
    """An account that GitHub's runs act as: its id and what it is for, in the words of ``WorkloadIdentity``; the id of
    the provider by which they come in; its roles on the stack's state and key; the names of the repository's variables
    for account and provider, without the stack's.
    """

    id: str
    purpose: str
    provider: str
    on_state: str
    on_key: str
    account_variable: str
    provider_variable: str


DEPLOYER = Identity(
    f"{GITHUB}-deployer",
    f"Deploys the platform from {GITHUB}",
    f"{GITHUB}-oidc",
    DEPLOYER_ON_STATE,
    DEPLOYER_ON_KEY,
    "DEPLOYER",
    "WORKLOAD_IDENTITY_PROVIDER",
)
PREVIEWER = Identity(
    f"{GITHUB}-preview",
    f"Previews pull requests from {GITHUB}",
    f"{GITHUB}-preview-oidc",
    PREVIEWER_ON_STATE,
    PREVIEWER_ON_KEY,
    "PREVIEWER",
    "PREVIEW_PROVIDER",
)


def pool(project: str) -> str:
    """The pool of GitHub's identities, in a project by its id or number."""
    return f"projects/{project}/locations/global/workloadIdentityPools/{GITHUB}"


@dataclass(frozen=True)
class Foundation:
    """The foundation of a stack, in its own Google project, so that two stacks have no name in common.

    ``environment`` is GitHub's, or "" (the setting ``githubEnvironment``).

    Raises ValueError for what no project or region is called.
    """

    stack: str
    project: str
    region: str
    environment: str

    def __post_init__(self) -> None:
        Place(self.project, self.region)

    @property
    def bucket(self) -> str:
        """The bucket of the state: names of buckets are for the whole world, and a project's is one already."""
        return f"{self.project}-pulumi-state"

    @property
    def backend(self) -> str:
        """Where Pulumi keeps the state: https://www.pulumi.com/docs/iac/concepts/state-and-backends/."""
        return f"gs://{self.bucket}"

    @property
    def key_ring(self) -> str:
        """The whole name of the ring of the key; it cannot be deleted, and a stack that comes back finds it again."""
        return f"projects/{self.project}/locations/{self.region}/keyRings/{KEY_RING}"

    @property
    def key(self) -> str:
        """The whole name of the key that the stack's secrets are encrypted with."""
        return f"{self.key_ring}/cryptoKeys/{KEY}"

    @property
    def secrets_provider(self) -> str:
        """The key as Pulumi is told it: https://www.pulumi.com/docs/iac/concepts/secrets/#google-cloud-key-management-service-kms."""
        return f"gcpkms://{self.key}"

    @property
    def identities(self) -> tuple[Identity, ...]:
        """Whom GitHub's runs may be: where an environment guards the stack, no pull request is anybody."""
        return (DEPLOYER,) if self.environment else (DEPLOYER, PREVIEWER)

    def email(self, identity: Identity) -> str:
        """The address of an account."""
        return f"{identity.id}@{self.project}.iam.gserviceaccount.com"

    def variables(self, number: str) -> dict[str, str]:
        """The repository's variables by which its workflows find the stack; ``number`` is that of the project."""
        values = {"PULUMI_BACKEND_URL": self.backend}
        for identity in self.identities:
            values[identity.account_variable] = self.email(identity)
            values[identity.provider_variable] = f"{pool(number)}/providers/{identity.provider}"
        return {f"{self.stack.upper()}_{name}": value for name, value in values.items()}
