"""A function: deployed again when its source changes and only then, built and run by identities of their own."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from components.code_store import CodeStore, CodeStoreArgs
from components.function_service import FunctionService, FunctionServiceArgs
from components.packaging import Sources, package_function
from components.place import Place
from components.secrets import Secrets, SecretsArgs
from components.workload import Workload, WorkloadArgs
from omnipipe.laptop.home import PROJECT_ROOT
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")
FOLDER = PROJECT_ROOT / "functions" / "weather"
SOURCES = Sources(
    root=PROJECT_ROOT, shared=("omnipipe/runtime",), packages=PROJECT_ROOT / ".omnipipe" / "packages"
)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """A project with one function, away from the real one."""
    for name in ("functions/orders/main.py", "functions/orders/requirements.txt", "omnipipe/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return Sources(root=tmp_path, shared=("omnipipe",), packages=tmp_path / "packages")


@cache
def function(*, preview: bool = False) -> Recorder:
    """The function ``orders`` with one secret, which ``till`` and ``shop`` may call."""
    return another(preview=preview)


def another(*, preview: bool = False, **changed: Any) -> Recorder:
    """The same function but for what is ``changed``."""

    def program() -> None:
        secrets = Secrets("secrets", SecretsArgs(place=PLACE))
        secrets.password("of-another")
        code = CodeStore("code", CodeStoreArgs(place=PLACE))
        args: dict[str, Any] = {
            "place": PLACE,
            "physical_name": "orders",
            "sources": SOURCES,
            "folder": FOLDER,
            "bucket": code.bucket,
            "builder": code.builder,
            "repository_id": code.repository_id,
            "depends_on": code.ready,
            "entry_point": "orders",
            "environment": {"BIGQUERY_LOCATION": "EU"},
            "secrets": {"API_KEY": secrets.password("orders-key")},
            "invokers": (
                Workload("till-job", WorkloadArgs(place=PLACE, physical_name="till-job", purpose="Calls it")),
                Workload("shop-job", WorkloadArgs(place=PLACE, physical_name="shop-job", purpose="Calls it too")),
            ),
            "timeout_s": 120,
        }
        FunctionService("orders", FunctionServiceArgs(**args | changed))

    return record(program, preview=preview)


def test_the_zips_name_changes_when_the_source_does_and_only_then(sources: Sources) -> None:
    folder = sources.root / "functions" / "orders"

    def zip_name(**changed: Any) -> str:
        program = another(sources=sources, folder=folder, **changed)
        source = program.named("orders-source").inputs
        built_from = program.named("orders-function").inputs["buildConfig"]["source"]["storageSource"]
        assert built_from == {"bucket": "shop-prod-sources", "object": source["name"]}
        assert source["source"].endswith(
            hashlib.sha256(package_function(folder, sources).path.read_bytes()).hexdigest()
        )
        return source["name"]

    first = zip_name()
    assert first == f"functions/orders-{package_function(folder, sources).digest}.zip"

    (folder / "main.py").touch()
    assert zip_name(environment={"OTHER": "setting"}, timeout_s=60) == first
    (folder / "main.py").write_text("changed = True")
    assert zip_name() != first
    (folder / "main.py").write_text("")
    assert zip_name() == first


def test_it_is_built_by_the_builder_and_runs_as_itself() -> None:
    made = function().named("orders-function")

    build, service = made.inputs["buildConfig"], made.inputs["serviceConfig"]
    assert build["serviceAccount"].endswith("/code-builder@shop-prod.iam.gserviceaccount.com")
    assert build["dockerRepository"] == "id/code-images"
    assert build["entryPoint"] == "orders"
    assert service["serviceAccountEmail"] == "orders-function@shop-prod.iam.gserviceaccount.com"
    assert service["timeoutSeconds"] == 120
    assert (made.inputs["project"], made.inputs["location"]) == ("shop-prod", "europe-west1")
    assert made.inputs["name"] == "orders"


@pytest.mark.parametrize("preview", [False, True])
def test_it_waits_for_its_secrets_and_for_the_rights_of_its_builder(preview: bool) -> None:
    made = function(preview=preview).named("orders-function")

    assert {"secrets-orders-key-orders", "secrets-orders-key-version"} <= made.dependencies
    assert {
        "code-sources-builder",
        "code-images-builder",
        "code-builder-logging-logwriter",
        "code-builder-storage-objectviewer",
    } <= made.dependencies


def test_a_secret_is_in_clear_nowhere_and_nobody_else_reads_it() -> None:
    program = function()

    service = program.named("orders-function").inputs["serviceConfig"]
    assert service["secretEnvironmentVariables"] == [
        {"key": "API_KEY", "projectId": "shop-prod", "secret": "orders-key", "version": "1"}
    ]
    assert service["environmentVariables"] == {"BIGQUERY_LOCATION": "EU"}
    (access,) = program.of("secretmanager.SecretIamMember")
    assert access.inputs["secretId"] == "orders-key"
    assert access.inputs["member"] == "serviceAccount:orders-function@shop-prod.iam.gserviceaccount.com"


def test_only_its_invokers_may_call_it() -> None:
    grants = function().of("cloudrunv2.ServiceIamMember")

    assert {grant.inputs["member"] for grant in grants} == {
        f"serviceAccount:{who}-job@shop-prod.iam.gserviceaccount.com" for who in ("till", "shop")
    }
    for grant in grants:
        assert grant.inputs["role"] == "roles/run.invoker"
        assert (grant.inputs["name"], grant.inputs["location"]) == ("orders", "europe-west1")
        assert "orders-function" in grant.dependencies
    assert not another(invokers=()).of("cloudrunv2.ServiceIamMember")


def test_calls_come_from_inside_the_project_only() -> None:
    assert function().named("orders-function").inputs["serviceConfig"]["ingressSettings"] == "ALLOW_INTERNAL_ONLY"


@pytest.mark.parametrize("preview", [False, True])
def test_its_address_is_exposed_and_unknown_in_a_preview(preview: bool) -> None:
    program = function(preview=preview)

    assert program.exposed["orders"] == {"uri": UNKNOWN if preview else "https://orders.example.run.app"}
    children = {r.name for r in program.registrations if r.parent == "orders"}
    assert children == {
        "orders-workload",
        "orders-function",
        "orders-source",
        "orders-invoker-till-job",
        "orders-invoker-shop-job",
    }
    if preview:
        made = program.named("orders-function").inputs
        assert made["serviceConfig"]["serviceAccountEmail"] == UNKNOWN
        assert made["serviceConfig"]["secretEnvironmentVariables"][0]["version"] == UNKNOWN
        # What a preview shows of a change: the zip's name is known before anything exists.
        assert made["buildConfig"]["source"]["storageSource"]["object"].startswith("functions/orders-")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"timeout_s": 0}, "timeout_s is 0: a function answers within 1 to 3600 s"),
        ({"timeout_s": 3601}, "timeout_s is 3601"),
        ({"entry_point": "main.orders"}, "entry_point is 'main.orders': name a function of main.py"),
        ({"entry_point": ""}, "entry_point is ''"),
        (
            {"environment": {"API_KEY": "a", "REGION": "b"}},
            "given twice, as environment and as secret: API_KEY$",
        ),
        ({"timeout_s": 0, "entry_point": "a b"}, "timeout_s is 0.*; entry_point is 'a b'"),
    ],
)
def test_what_does_not_fit_is_told(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        another(**wrong)


def test_a_folder_that_is_no_function_is_told(sources: Sources) -> None:
    folder = sources.root / "functions" / "orders"
    (folder / "main.py").unlink()
    with pytest.raises(FileNotFoundError, match=r"functions/orders has no main\.py"):
        another(sources=sources, folder=folder)
