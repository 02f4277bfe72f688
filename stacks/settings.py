"""The settings of a stack: what dev and prod may differ in. Pulumi.yaml describes each and has the defaults."""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pulumi

from components.checks import is_bigquery_location, is_billing_account, is_email, is_member, is_tier
from components.labels import is_label_value
from components.place import Place, is_near
from components.platform.args import PlatformArgs
from components.schedule import is_cron, is_time_zone
from components.workload_identity import is_environment

PROD = "prod"
_OF_GOOGLE = ("project", "region")
_OF_GOOGLE_KEYS = tuple(f"gcp:{key}" for key in _OF_GOOGLE)
_KEY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")


@dataclass(frozen=True, kw_only=True)
class Settings(PlatformArgs):
    """What the platform takes, as Pulumi.STACK.yaml says, and the stack's name.

    Raises ValueError with the words of every rule that is broken.
    """

    stack: str

    def __post_init__(self) -> None:
        _refuse(_broken_rules(vars(self)))

    @staticmethod
    def load() -> "Settings":
        """Read the settings of the stack that is being deployed.

        Raises ValueError with everything that is missing, of another type or against a rule, at once.
        """
        google, own = pulumi.Config("gcp"), pulumi.Config("omnipipe")
        given = {f"gcp:{key}": google.get(key) for key in _OF_GOOGLE}
        given |= {key_of(field.name): own.get(setting_name(field.name)) for field in _fields()}
        values, found = _read({key: text for key, text in given.items() if text is not None}, pulumi.get_stack())
        _refuse(found)
        return Settings(**values)


def problems(config: Mapping[str, str], stack: str) -> list[tuple[str, str]]:
    """What is missing, of another type or against a rule in a stack's configuration: the key, and what to do.

    ``config`` has the texts of the values by their whole keys, such as ``gcp:project`` and ``omnipipe:schedule``.
    """
    return _read(config, stack)[1]


def _read(config: Mapping[str, str], stack: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The values by field, and the problems by key."""
    values: dict[str, Any] = {"stack": stack}
    found = [
        (key, f"{key} is not set: pulumi config set {key} …") for key in _OF_GOOGLE_KEYS if not config.get(key)
    ]
    if not found:
        try:
            values["place"] = Place(*(config[key] for key in _OF_GOOGLE_KEYS))
        except ValueError as error:
            found.append((_OF_GOOGLE_KEYS[1 if str(error).startswith("region") else 0], str(error)))
    for field in _fields():
        key, text = key_of(field.name), config.get(key_of(field.name))
        if text is None:
            found.append((key, f"{setting_name(field.name)} is not set: pulumi config set {key} …"))
            continue
        try:
            values[field.name] = _PARSERS[field.type](text)
        except (KeyError, TypeError, ValueError):
            found.append((key, f"{setting_name(field.name)} is {text!r}: it takes {_TYPES[field.type]}"))
    return values, found + _broken_rules(values)


def _fields() -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(PlatformArgs) if field.name != "place"]


def key_of(field: str) -> str:
    """The whole key of a field in Pulumi's configuration."""
    return f"omnipipe:{setting_name(field)}" if field != "place" else _OF_GOOGLE_KEYS[1]


def setting_name(field: str) -> str:
    """The key of a field in Pulumi's configuration: ``webhook_url`` is ``webhookUrl``."""
    first, *others = field.split("_")
    return first + "".join(word.capitalize() for word in others)


def _names(text: str) -> tuple[str, ...]:
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise TypeError(text)
    return tuple(value)


# As pulumi.Config reads them.
_PARSERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    bool: lambda text: {"true": True, "false": False}[text.lower()],
    int: int,
    tuple[str, ...]: _names,
}
_TYPES: dict[Any, str] = {bool: "true or false", int: "a whole number", tuple[str, ...]: "a list of texts"}


@dataclass(frozen=True)
class _Rule:
    """What holds between settings: ``holds`` takes the fields' values, and so do the ``words`` when it does not."""

    fields: tuple[str, ...]
    holds: Callable[..., bool]
    words: str


def _is_address(url: str) -> bool:
    return urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).netloc)


_RULES = (
    *(
        _Rule(
            (field,),
            is_label_value,
            f"{what} is {{0!r}}, and becomes a label: take lower-case letters, digits, hyphens and underscores, at "
            "most 63",
        )
        for field, what in (("owner", "owner"), ("stack", "the stack's name"))
    ),
    _Rule(
        ("bigquery_location", "place"),
        lambda location, place: is_bigquery_location(location) and is_near(location, place.region),
        "bigqueryLocation {0} and the region {1.region} disagree: data would leave one for the other with every "
        "change. Choose EU with a region of europe-, US with one of us-, or the region itself",
    ),
    _Rule(
        ("database_tier",),
        is_tier,
        "databaseTier is {0!r}: choose db-f1-micro, db-g1-small or db-custom-CPUS-MEGABYTES (1 or an even number of "
        "CPUs, 3840 or more megabytes in steps of 256, at most 6656 for each CPU)",
    ),
    _Rule(
        ("database_availability",),
        lambda value: value in ("ZONAL", "REGIONAL"),
        "databaseAvailability is {0!r}: choose ZONAL or REGIONAL",
    ),
    _Rule(
        ("database_availability", "protect_data"),
        lambda availability, protect: protect or availability != "REGIONAL",
        "databaseAvailability is {0}, which Cloud SQL takes only with backups: set protectData to true, or choose "
        "ZONAL",
    ),
    _Rule(
        ("stack", "protect_data"),
        lambda stack, protect: protect or stack != PROD,
        "prod needs its data protected: set protectData to true; to remove it, set removal to true",
    ),
    _Rule(
        ("resting", "protect_data"),
        lambda resting, protect: not (resting and protect),
        "resting is true: a stack that protects its data serves somebody, and resting stops its database, its backups "
        "and its alerts. Set resting to false",
    ),
    _Rule(("schedule",), is_cron, "schedule is {0!r}: write a cron line of five fields, such as '0 5 * * *'"),
    _Rule(("time_zone",), is_time_zone, "timeZone is {0!r}: write a name such as Europe/Berlin or Etc/UTC"),
    *(
        _Rule(
            (field,),
            _is_address,
            f"{setting_name(field)} is {{0!r}}: write a whole address, such as https://{such}",
        )
        for field, such in (
            ("weather_api_url", "api.open-meteo.com"),
            ("runbooks_url", "example.com/docs/runbooks"),
        )
    ),
    _Rule(
        ("webhook_url",),
        lambda url: not url or _is_address(url),
        "webhookUrl is {0!r}: write a whole address, such as https://example.com/hook, or leave it empty to send "
        "nothing",
    ),
    _Rule(
        ("stack", "simulated_business"),
        lambda stack, simulated: not simulated or stack != PROD,
        "simulatedBusiness would write invented customers into prod's database: set it to false",
    ),
    *(
        _Rule(
            (field,),
            lambda members: all(map(is_member, members)),
            f"{setting_name(field)} is {{0}}: write members as IAM does, such as group:analysts@example.com",
        )
        for field in ("pii_readers", "pii_masked_readers")
    ),
    _Rule(
        ("webhook_keys",),
        lambda names: 0 < len(names) == len(set(names)) and all(map(_KEY_NAME.fullmatch, names)),
        "webhookKeys is {0}: name at least one key, each once, in lower-case letters, digits and hyphens, at most 20",
    ),
    _Rule(
        ("alert_emails",),
        lambda emails: all(map(is_email, emails)),
        "alertEmails is {0}: write e-mail addresses",
    ),
    _Rule(
        ("stack", "alert_emails"),
        lambda stack, emails: emails or stack != PROD,
        "prod needs somebody who hears its alerts: set alertEmails",
    ),
    _Rule(
        ("billing_account",),
        lambda account: not account or is_billing_account(account),
        "billingAccount is {0!r}: write its id, such as 012345-6789AB-CDEF01, or leave it empty for no budget",
    ),
    _Rule(
        ("billing_account", "monthly_budget"),
        lambda account, amount: not account or amount > 0,
        "monthlyBudget is {1}: with a billing account, say how much a month may cost",
    ),
    _Rule(
        ("github_repository_id", "github_owner_id"),
        lambda *ids: all(id_.isdigit() for id_ in ids) or not any(ids),
        "githubRepositoryId {0!r} and githubOwnerId {1!r}: write both as numbers (names can be taken over by "
        "others), or leave both empty",
    ),
    _Rule(
        ("github_environment",),
        is_environment,
        "githubEnvironment is {0!r}: take letters, digits, hyphens and underscores, or leave it empty",
    ),
    _Rule(
        ("github_environment", "github_repository_id", "stack"),
        lambda environment, repository, stack: environment or not repository or stack != PROD,
        "prod is deployed only by runs that GitHub let into an environment: set githubEnvironment, such as prod",
    ),
)


def _broken_rules(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each rule whose settings are all there and that they break: the key of its first setting, and its words."""
    given = [(rule, [values[field] for field in rule.fields if field in values]) for rule in _RULES]
    return [
        # The stack's name has no line of its own: what it must fit is told of the other setting.
        (
            key_of(next((field for field in rule.fields if field != "stack"), "stack")),
            rule.words.format(*arguments),
        )
        for rule, arguments in given
        if len(arguments) == len(rule.fields) and not rule.holds(*arguments)
    ]


def _refuse(found: list[tuple[str, str]]) -> None:
    if found:
        raise ValueError("\n".join(["the stack's settings do not fit:", *(words for _, words in found)]))
