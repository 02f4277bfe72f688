"""What one environment may differ in from another."""

from dataclasses import dataclass

from components.place import Place


@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    """The settings of one environment. ``Pulumi.yaml`` describes each; ``stacks/settings.py`` reads and checks them.

    Members are written as IAM writes them, such as ``group:analysts@example.com``. ``billing_account`` and the two
    ids of GitHub may be empty: then there is no budget, or no identity for GitHub's workflows. With a
    ``github_environment`` only runs in that environment deploy, and pull requests are not previewed.
    ``settles_within`` is in seconds.
    """

    place: Place
    owner: str
    bigquery_location: str
    database_tier: str
    database_availability: str
    protect_data: bool
    removal: bool
    customer_managed_keys: bool
    schedule: str
    time_zone: str
    schedule_paused: bool
    resting: bool
    weather_api_url: str
    webhook_url: str
    webhook_allow_private: bool
    webhook_keys: tuple[str, ...]
    pii_readers: tuple[str, ...]
    pii_masked_readers: tuple[str, ...]
    alert_emails: tuple[str, ...]
    runbooks_url: str
    billing_account: str
    monthly_budget: int
    github_repository_id: str
    github_owner_id: str
    github_environment: str
    settles_within: int
    simulated_business: bool

    @property
    def protect(self) -> bool:
        """Whether data is kept from being deleted: not when the stack is about to be removed."""
        return self.protect_data and not self.removal

    @property
    def paused(self) -> bool:
        """Whether nothing is started by a schedule."""
        return self.schedule_paused or self.resting
