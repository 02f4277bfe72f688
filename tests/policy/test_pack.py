"""The pack as a whole: what it says of this program, of known mistakes, to the engine, and in its page."""

import importlib
import importlib.machinery
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import proto
from pulumi.runtime.proto import analyzer_pb2_grpc
from pulumi_policy import Policy

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.policies import Pack, Violation
from omnipipe.laptop.registry import Resource
from policy.choices import CHOICES
from policy.encryption import KEYS
from policy.forms import Form
from policy.pack import KNOWN, POLICIES, SAFETY, VALIDITY, configuration
from policy.protection import PROTECTED
from policy.subject import ADVISORY, MANDATORY
from tests.components.conftest import deployed
from tests.components.mocks import Recorder
from tests.policy.conftest import resource
from tests.policy.sdk import has_input

FOLDER = PROJECT_ROOT / "policy"
MODULES = [importlib.import_module(f"policy.{file.stem}") for file in FOLDER.glob("[a-z]*.py")]


def of_program(program: Recorder, stack: str, pack: Pack) -> list[Violation]:
    """What a pack says of all that a program registers."""
    made = [Resource(each.type, each.name, each.inputs, protect=each.protect) for each in program.resources]
    return pack.violations(made, "omnipipe", stack)


@pytest.mark.parametrize(("of", "stack"), [("dev", "dev"), ("prod", "prod"), ("everything", "prod")])
def test_the_program_of_each_stack_violates_nothing(of: str, stack: str) -> None:
    assert [str(each) for each in of_program(deployed(of), stack, Pack.load(FOLDER))] == []


def test_the_program_with_keys_has_them_everywhere() -> None:
    asking = Pack(POLICIES, choices=configuration() | {"customer-managed-keys": {"stacks": ["prod"]}})
    assert not of_program(deployed("everything"), "prod", asking)
    assert {each.policy for each in of_program(deployed("prod"), "prod", asking)} == {"customer-managed-keys"}


def test_what_is_chosen_is_of_this_program() -> None:
    """An exemption whose resource went, or is well by now, goes too."""
    for name, chosen in CHOICES.items():
        assert isinstance(chosen, dict)
        without = Pack(POLICIES, choices={key: value for key, value in configuration().items() if key != name})
        told = {each.resource.split()[1] for each in of_program(deployed("prod"), "prod", without)}
        assert told == {key for option in chosen.values() for key in option}, name


# What `pulumi preview` lets through: a column of a resource, and the policy that tells of it.
MISTAKES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a column type": ("bigquery.Table", {"schema": '[{"name": "a", "type": "VARCHAR"}]'}, "table-schemas"),
    "a partition field": (
        *("bigquery.Table", {"schema": '[{"name": "a", "type": "DATE"}]', "timePartitioning": {"field": "b"}}),
        "table-schemas",
    ),
    "no way to a database": (
        *("sql.DatabaseInstance", {"settings": {"ipConfiguration": {"ipv4Enabled": False}}}),
        "database-addresses",
    ),
    "an unknown version": (
        "sql.DatabaseInstance",
        {"databaseVersion": "POSTGRES_99"},
        "unknown-database-versions",
    ),
    "a tier of another edition": (
        *("sql.DatabaseInstance", {"databaseVersion": "POSTGRES_17", "settings": {"tier": "db-f1-micro"}}),
        "database-tiers",
    ),
    "a flag of PostgreSQL's": (
        *("sql.DatabaseInstance", {"settings": {"databaseFlags": [{"name": "wal_level", "value": "logical"}]}}),
        "database-flags",
    ),
    "an unknown runtime": (
        "cloudfunctionsv2.Function",
        {"buildConfig": {"runtime": "python399"}},
        "unknown-runtimes",
    ),
    "a unit of memory": (
        *("cloudfunctionsv2.Function", {"serviceConfig": {"availableMemory": "512MB"}}),
        "function-limits",
    ),
    "too long an answer": (
        "cloudfunctionsv2.Function",
        {"serviceConfig": {"timeoutSeconds": 3601}},
        "function-limits",
    ),
    "an unknown limit": (
        *(
            "cloudrunv2.Job",
            {"template": {"template": {"containers": [{"resources": {"limits": {"disk": "1"}}}]}}},
        ),
        "run-limits",
    ),
    "upper case on Cloud Run": ("cloudrunv2.Job", {"name": "Migrate"}, "names"),
    "a source that is no workflow": ("workflows.Workflow", {"sourceContents": "hello"}, "workflow-sources"),
    "an impossible cron line": ("cloudscheduler.Job", {"schedule": "0 25 * * *"}, "cron-lines"),
    "an impossible time zone": ("cloudscheduler.Job", {"timeZone": "Europe/Bonn"}, "time-zones"),
    "freshness without unit": (
        *("datastream.Stream", {"destinationConfig": {"bigqueryDestinationConfig": {"dataFreshness": "900"}}}),
        "durations",
    ),
    "a mask's id with a hyphen": ("bigquerydatapolicy.DataPolicy", {"dataPolicyId": "pii-high"}, "names"),
    "a role that there is not": ("projects.IAMMember", {"role": "roles/bigquery.dataReader"}, "unknown-roles"),
    "a role without roles/": ("projects.IAMMember", {"role": "bigquery.dataViewer"}, "role-names"),
    "a provider over http": (
        *("iam.WorkloadIdentityPoolProvider", {"oidc": {"issuerUri": "http://id.example.com"}}),
        "identity-providers",
    ),
    "a provider without mapping": (
        *("iam.WorkloadIdentityPoolProvider", {"oidc": {"issuerUri": "https://id.example.com"}}),
        "identity-providers",
    ),
    "a secret's id": ("secretmanager.Secret", {"secretId": "my.secret"}, "names"),
    "a bucket's name": ("storage.Bucket", {"name": "My-Bucket"}, "names"),
    "a repository's id": ("artifactregistry.Repository", {"repositoryId": "my_images"}, "names"),
    "public access prevention": ("storage.Bucket", {"publicAccessPrevention": "on"}, "allowed-values"),
    "a repository's format": ("artifactregistry.Repository", {"format": "CONTAINER"}, "allowed-values"),
    "an alert's duration": (
        *("monitoring.AlertPolicy", {"conditions": [{"conditionThreshold": {"duration": "5m"}}]}),
        "durations",
    ),
    "a dashboard's field": ("monitoring.Dashboard", {"dashboardJson": '{"title": "d"}'}, "dashboards"),
    "too long a deadline": ("pubsub.Subscription", {"ackDeadlineSeconds": 601}, "subscriptions"),
    "a table without project": (
        "pubsub.Subscription",
        {"bigqueryConfig": {"table": "raw.events"}},
        "subscriptions",
    ),
    "an amount that is none": (
        "billing.Budget",
        {"amount": {"specifiedAmount": {"units": "much"}}},
        "budget-amounts",
    ),
    "a region that there is not": ("workflows.Workflow", {"region": "europe-west99"}, "unknown-regions"),
    "a transfer's schedule": ("bigquery.DataTransferConfig", {"schedule": "sometimes"}, "transfers"),
    "a transfer's parameters": (
        *("bigquery.DataTransferConfig", {"dataSourceId": "scheduled_query", "params": {"sql": "SELECT 1"}}),
        "transfers",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_preview_lets_through_is_told(mistake: str) -> None:
    """What is malformed as an error, what is only unknown to a list as a warning."""
    kind, inputs, expected = MISTAKES[mistake]
    told = Pack(VALIDITY + KNOWN).violations([resource(kind, inputs)], "p", "dev")

    assert all(has_input(kind, path) for path in inputs)
    assert expected in {each.policy for each in told}
    assert all(each.mandatory is not each.policy.startswith("unknown-") for each in told)


def test_each_policy_has_a_name_a_sentence_a_level_and_a_source() -> None:
    assert len({each.name for each in POLICIES}) == len(POLICIES)
    assert {each.enforcement_level for each in SAFETY + VALIDITY} == {MANDATORY}
    assert {each.enforcement_level for each in KNOWN} == {ADVISORY}
    for each in POLICIES:
        assert each.description.endswith(".")
        assert str(each.url).startswith("https://")


def test_an_exemption_of_each_policy_has_a_reason_and_an_option_is_explained() -> None:
    for each in POLICIES:
        assert each.config_schema is not None
        exempt = each.config_schema.properties["exempt"]
        assert exempt["type"] == "object"
        assert exempt["additionalProperties"] == {"type": "string", "minLength": 1}
        assert all(option["type"] and option["description"] for option in each.config_schema.properties.values())


def test_each_policy_that_is_written_is_in_the_pack() -> None:
    written = {id(value) for module in MODULES for value in vars(module).values() if isinstance(value, Policy)}
    assert written == {id(each) for each in POLICIES}


def test_what_the_tables_look_at_are_inputs_of_the_provider() -> None:
    tables = [value for module in MODULES for value in vars(module).values() if isinstance(value, tuple)]
    looked_at = {(form.kind, form.path) for table in tables for form in table if isinstance(form, Form)}
    looked_at |= set(KEYS.items()) | {(kind, path) for kind, paths in PROTECTED.items() for path in paths}

    assert len(looked_at) > 80
    assert not [f"{kind} {path}" for kind, path in sorted(looked_at) if not has_input(kind, path)]


def test_no_file_takes_the_name_of_a_module_that_others_import() -> None:
    """The engine starts the pack in its folder, which comes first when Python looks for a module."""
    elsewhere = [path for path in sys.path if Path(path).resolve() != FOLDER]
    names = [file.stem for file in FOLDER.glob("[a-z]*.py")]
    assert len(names) > 20
    assert not [
        name
        for name in names
        if name in sys.stdlib_module_names or importlib.machinery.PathFinder.find_spec(name, elsewhere)
    ]


def test_the_page_tells_every_policy() -> None:
    rows = [
        f"| `{each.name}` | {'warning' if each in KNOWN else 'error'} | {each.description} |" for each in POLICIES
    ]
    page = (PROJECT_ROOT / "docs" / "policies.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("| `")] == rows


@pytest.fixture(scope="module")
def engine() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """The pack, started as the engine starts it: with this Python, in its folder."""
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:0", str(FOLDER)]
    with subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
        process.terminate()


def test_the_engine_is_told_of_every_policy_and_of_what_is_chosen(engine: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = engine.GetAnalyzerInfo(empty_pb2.Empty())
    assert info.name == "omnipipe"
    assert [each.name for each in info.policies] == [each.name for each in POLICIES]
    assert set(info.initialConfig) == set(CHOICES)
    assert {each.enforcementLevel for each in info.initialConfig.values()} == {proto.MANDATORY}


def test_the_engine_hears_of_a_violation(engine: analyzer_pb2_grpc.AnalyzerStub) -> None:
    """It configures the pack first: with the options' defaults, and what the pack itself chooses."""
    info = engine.GetAnalyzerInfo(empty_pb2.Empty())
    config = {each.name: proto.PolicyConfig(enforcementLevel=each.enforcementLevel) for each in info.policies}
    for each in info.policies:
        options = {
            key: schema["default"] for key, schema in each.configSchema.properties.items() if "default" in schema
        }
        config[each.name].properties.update(options)
    for name, chosen in info.initialConfig.items():
        config[name].properties.update(chosen.properties)
    engine.Configure(proto.ConfigureAnalyzerRequest(policyConfig=config))
    properties = struct_pb2.Struct()
    properties.update(
        {"name": "my-bucket", "location": "EU", "uniformBucketLevelAccess": True, "forceDestroy": True}
    )
    type_ = resource("storage.Bucket", {}).type

    def told(name: str) -> dict[str, Any]:
        urn = f"urn:pulumi:prod::omnipipe::{type_}::{name}"
        request = proto.AnalyzeRequest(type=type_, name=name, urn=urn, properties=properties)
        return {each.policyName: each for each in engine.Analyze(request).diagnostics}

    assert set(told("open")) == {"private-buckets", "labels", "deletion-protection"}
    assert set(told("omnipipe-code-sources")) == {"private-buckets", "labels"}
    assert told("open")["labels"].enforcementLevel == proto.MANDATORY
    assert "labels has no environment and no owner" in told("open")["labels"].message


def test_its_project_file_names_this_environment() -> None:
    runtime = yaml.safe_load((FOLDER / "PulumiPolicy.yaml").read_text())["runtime"]
    program = yaml.safe_load((PROJECT_ROOT / "Pulumi.yaml").read_text())["runtime"]
    assert runtime["name"] == program["name"] == "python"
    assert (FOLDER / runtime["options"]["virtualenv"]).resolve() == PROJECT_ROOT / program["options"]["virtualenv"]
