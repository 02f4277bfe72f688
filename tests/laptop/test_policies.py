"""A policy pack, run without the engine: its policies, levels and options, and what a program hears of them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN
from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    PolicyPack,
    ResourceValidationPolicy,
    StackValidationPolicy,
)

from omnipipe.laptop import lifecycle
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.policies import Pack, Violation, refuse
from omnipipe.laptop.registry import Resource

BUCKET = "gcp:storage/bucket:Bucket"
RULES = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def small(args, report):
    if args.resource_type == "gcp:storage/bucket:Bucket" and args.props["location"] != args.get_config()["place"]:
        report(f"{args.name} of {args.urn} is elsewhere")

def protected(args, report):
    if not args.opts.protect:
        report("it is not protected")

PolicyPack(
    "shop",
    [
        ResourceValidationPolicy("place", "Where it is.", small, EnforcementLevel.MANDATORY),
        ResourceValidationPolicy("protected", "Kept.", protected),
    ],
    initial_config={"place": {"place": "EU", "enforcementLevel": EnforcementLevel.MANDATORY}},
)
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """The folder of a pack."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "PulumiPolicy.yaml").write_text("runtime: python")
    (folder / "__main__.py").write_text(RULES)
    return folder


@pytest.fixture
def program(tmp_path: Path, pack: Path) -> Path:
    """The folder of a program with a pack beside it."""
    (tmp_path / "Pulumi.yaml").write_text("{name: shop, runtime: python}")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {'gcp:project': my-project, 'gcp:region': europe-west1}")
    (tmp_path / "laptop.yaml").write_text("policies: rules")
    (tmp_path / "__main__.py").write_text(
        "import pulumi_gcp as gcp\n"
        "first = gcp.storage.Bucket('first', name='first', location='EU')\n"
        "gcp.storage.Bucket('second', name='second', location='US')\n"
        "gcp.storage.Bucket('third', name='third', location=first.url)\n"
    )
    return tmp_path


def test_a_pack_is_what_its_program_hands_over_and_the_sdk_is_as_before(pack: Path) -> None:
    original = PolicyPack.__init__
    loaded = Pack.load(pack)

    assert [policy.name for policy in loaded.policies] == ["place", "protected"]
    assert loaded.choices == {"place": {"place": "EU", "enforcementLevel": EnforcementLevel.MANDATORY}}
    assert PolicyPack.__init__ is original
    assert Pack.load(pack).violations([Resource(BUCKET, "b", {"location": "US"})], "shop", "dev") == [
        Violation("place", "storage.Bucket b", True, f"b of urn:pulumi:dev::shop::{BUCKET}::b is elsewhere"),
        Violation("protected", "storage.Bucket b", False, "it is not protected"),
    ]
    assert not loaded.violations([Resource(BUCKET, "b", {"location": "EU"}, protect=True)], "shop", "dev")


def test_a_pack_may_have_its_program_in_a_folder(pack: Path) -> None:
    (pack / "program").mkdir()
    (pack / "__main__.py").rename(pack / "program" / "__main__.py")
    (pack / "PulumiPolicy.yaml").write_text("{main: program, runtime: {name: python, options: {}}}")
    assert len(Pack.load(pack).policies) == 2


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("PulumiPolicy.yaml", "runtime: nodejs", r"its runtime is nodejs: the laptop runs packs in Python"),
        ("PulumiPolicy.yaml", "runtime: {", "this is not YAML"),
        ("__main__.py", "", r"makes 0 packs: write PolicyPack\(NAME, POLICIES\) once"),
        ("__main__.py", f"{RULES}\n{RULES}", "makes 2 packs"),
        ("__main__.py", "import nothing_of_this_name", "the policy pack .*rules failed: ModuleNotFoundError"),
    ],
)
def test_what_is_wrong_with_a_pack_is_told(pack: Path, file: str, text: str, words: str) -> None:
    (pack / file).write_text(text)
    with pytest.raises(LaptopError, match=words):
        Pack.load(pack)


def told(policy: Any, inputs: dict[str, Any], chosen: Any = None) -> list[Violation]:
    """What one policy says of a bucket."""
    choices = {} if chosen is None else {policy.name: chosen}
    return Pack([policy], choices=choices).violations([Resource(BUCKET, "b", inputs)], "shop", "dev")


def test_levels_and_options_are_the_policys_own_unless_others_are_chosen() -> None:
    policy = ResourceValidationPolicy(
        "of",
        "Description.",
        lambda args, report: report(f"{args.get_config()}", None),
        EnforcementLevel.MANDATORY,
        PolicyConfigSchema({"most": {"type": "number", "default": 3}, "name": {"type": "string"}}),
    )
    assert told(policy, {}) == [Violation("of", "storage.Bucket b", True, "{'most': 3}")]
    assert told(policy, {}, {"most": 4}) == [Violation("of", "storage.Bucket b", False, "{'most': 4}")]
    mandatory = {"most": 4, "enforcementLevel": EnforcementLevel.MANDATORY}
    assert told(policy, {}, mandatory) == [Violation("of", "storage.Bucket b", True, "{'most': 4}")]
    assert told(policy, {}, EnforcementLevel.DISABLED) == []
    assert [each.mandatory for each in told(policy, {}, EnforcementLevel.ADVISORY)] == [False]
    assert [each.mandatory for each in told(policy, {}, EnforcementLevel.REMEDIATE)] == [True]
    chosen = {"enforcementLevel": EnforcementLevel.ADVISORY, "name": "x"}
    assert told(policy, {}, chosen) == [Violation("of", "storage.Bucket b", False, "{'most': 3, 'name': 'x'}")]


def test_nothing_is_said_of_what_is_not_known_or_does_not_apply() -> None:
    def unknown(args: Any, report: Any) -> None:
        report("before", None)
        report(args.props["location"], None)

    policy = ResourceValidationPolicy("of", "Description.", unknown)
    assert [each.message for each in told(policy, {"location": UNKNOWN})] == ["before"]
    assert [each.message for each in told(policy, {"location": "EU"})] == ["before", "EU"]

    assert not told(ResourceValidationPolicy("of", "Description.", lambda args, _: args.not_applicable("no")), {})
    assert not told(StackValidationPolicy("of", "Description.", lambda args, _: args.not_applicable("no")), {})


def test_a_policy_may_be_a_coroutine_and_one_that_only_mends_is_passed_over() -> None:
    async def slow(args: Any, report: Any) -> None:
        await asyncio.sleep(0)
        report("", None)

    assert told(ResourceValidationPolicy("of", "Description.", slow), {}) == [
        Violation("of", "storage.Bucket b", False, "Description.")
    ]
    assert not told(ResourceValidationPolicy("of", "Description.", remediate=lambda args: None), {})


def test_a_policy_of_the_stack_names_a_resource_or_the_stack() -> None:
    def judge(args: Any, report: Any) -> None:
        report(f"{len(args.resources)} of {args.get_config()}", None)
        report("this one", args.resources[1].urn)

    both = [Resource(BUCKET, "a", {}), Resource(BUCKET, "b", {})]
    pack = Pack([StackValidationPolicy("of", "Description.", judge)], choices={"of": {"most": 1}})
    assert pack.violations(both, "shop", "dev") == [
        Violation("of", "the stack", False, "2 of {'most': 1}"),
        Violation("of", "storage.Bucket b", False, "this one"),
    ]


def test_a_preview_says_what_policies_say(
    program: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the third bucket, whose location nobody knows yet, its place is not told."""
    monkeypatch.setenv("OMNIPIPE_HOME", str(tmp_path_factory.mktemp("home")))
    preview = lifecycle.preview(program, "dev")

    assert len(preview.changes) == 3
    assert [(each.policy, each.resource) for each in preview.violations] == [
        ("place", "storage.Bucket second"),
        *(("protected", f"storage.Bucket {name}") for name in ("first", "second", "third")),
    ]
    with pytest.raises(LaptopError) as refusal:
        refuse(preview.violations)
    assert str(refusal.value) == (
        "policies refuse the program, and nothing of it was made: storage.Bucket second: second of "
        f"urn:pulumi:dev::shop::{BUCKET}::second is elsewhere (policy place)"
    )
    first, second = Violation("a", "x", True, "No."), Violation("b", "y", True, "Never.")
    with pytest.raises(
        LaptopError, match=r"nothing of it was made:\nx: No\. \(policy a\)\ny: Never\. \(policy b\)$"
    ):
        refuse([first, Violation("c", "z", False, "Perhaps."), second])
    refuse([Violation("c", "z", False, "Perhaps.")])


def test_up_stops_before_it_makes_anything(
    program: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("OMNIPIPE_HOME", str(home))
    monkeypatch.setattr(lifecycle, "_start_own_processes", lambda cloud: None)
    made: list[str] = []

    with pytest.raises(LaptopError, match="policies refuse the program, and nothing of it was made"):
        lifecycle.up(program, "dev", report=lambda what, resource: made.append(resource.name))
    assert made == []
    assert not list(home.rglob("resources.json"))


def test_a_program_without_a_pack_is_asked_nothing(
    program: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNIPIPE_HOME", str(tmp_path_factory.mktemp("home")))
    (program / "laptop.yaml").unlink()
    assert lifecycle.preview(program, "dev").violations == []
