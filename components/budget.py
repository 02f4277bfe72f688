"""What an environment may cost, and who hears when it costs more."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.checks import is_billing_account, require
from components.place import Place

_MOST_CHANNELS = 5  # https://cloud.google.com/billing/docs/reference/budget/rest/v1/billingAccounts.budgets


@dataclass(frozen=True, kw_only=True)
class BudgetArgs:
    """What a ``Budget`` needs.

    ``billing_account`` is the account's id, ``XXXXXX-XXXXXX-XXXXXX``; ``monthly_amount`` is in whole units of that
    account's own currency (Google refuses any other); ``channels`` are ids of notification channels that hear of it,
    beside the account's administrators; ``provider`` makes the budget: see ``quota_provider``.

    Raises ValueError with all problems at once.
    """

    place: Place
    provider: gcp.Provider
    billing_account: str
    monthly_amount: int
    channels: Sequence[pulumi.Input[str]] = ()

    def __post_init__(self) -> None:
        require(
            (
                is_billing_account(self.billing_account),
                f"billing_account is {self.billing_account!r}: give its id, such as 01AB23-CD45EF-678901 "
                "(`gcloud billing accounts list`)",
            ),
            (
                type(self.monthly_amount) is int and self.monthly_amount >= 1,
                f"monthly_amount is {self.monthly_amount!r}: give whole units of the account's currency, at least 1",
            ),
            (
                len(self.channels) <= _MOST_CHANNELS,
                f"{len(self.channels)} channels are given: a budget tells at most {_MOST_CHANNELS}",
            ),
        )


class Budget(pulumi.ComponentResource):
    """A monthly budget of one project: told at 50, 90 and 100 % spent, and when the forecast reaches 100 %.

    Creates the budget. It stops nothing; it only tells. Grants no role. Who makes or changes it needs
    ``roles/billing.costsManager`` on the billing account, which nothing in a project can give, and which a deployer has
    no other use for. So it is protected in every stack: it costs nothing, outlives the rest with the channels that it
    tells, and an environment can be destroyed and brought back without that role.

    Exposes ``budget_id``.

    Example::

        from components.budget import Budget, BudgetArgs
        from components.place import Place
        from components.quota_provider import quota_provider

        place = Place("my-project", "europe-west1")
        Budget(
            "budget",
            BudgetArgs(
                place=place,
                provider=quota_provider("quota", place),
                billing_account="01AB23-CD45EF-678901",
                monthly_amount=200,
            ),
        )
    """

    def __init__(self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Budget", name, {}, opts)
        # A look-up is no child: it waits for nothing by itself, and its API may not be enabled yet.
        lookup = pulumi.InvokeOutputOptions(parent=self, depends_on=opts.depends_on if opts else None)
        # Google answers with the number, whatever it is given: the id would be a change at every `up`.
        number = gcp.organizations.get_project_output(project_id=args.place.project, opts=lookup).number
        budget = gcp.billing.Budget(
            f"{name}-monthly",
            billing_account=args.billing_account,
            display_name=pulumi.Output.concat(args.place.project, ": budget"),
            budget_filter={
                "projects": [pulumi.Output.concat("projects/", number)],
                "calendar_period": "MONTH",
            },
            amount={"specified_amount": {"units": str(args.monthly_amount)}},
            threshold_rules=[
                {"threshold_percent": 0.5},
                {"threshold_percent": 0.9},
                {"threshold_percent": 1.0},
                {"threshold_percent": 1.0, "spend_basis": "FORECASTED_SPEND"},
            ],
            all_updates_rule={"monitoring_notification_channels": list(args.channels)} if args.channels else None,
            opts=pulumi.ResourceOptions(parent=self, provider=args.provider, protect=True),
        )
        self.budget_id = budget.id
        self.register_outputs({"budget_id": self.budget_id})
