"""A change, by the real engine: what it does to what the base deployed, where `pulumi` and the provider are found."""

from pathlib import Path

import pytest

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.rehearsal.engine import installed
from omnipipe.rehearsal.engine.installed import CannotRehearse, Installed
from omnipipe.review.rehearsed import Rehearsed, rehearse

pytestmark = pytest.mark.e2e

PROGRAM = """
import pulumi
import pulumi_gcp as gcp

api = gcp.projects.Service("pubsub", service="pubsub.googleapis.com", disable_on_destroy=False)
opts = pulumi.ResourceOptions(depends_on=[api])
gcp.pubsub.Topic("orders", name="orders", opts=opts)
"""


@pytest.fixture(scope="module")
def engine() -> Installed:
    try:
        return installed.find(PROJECT_ROOT)
    except CannotRehearse as error:
        pytest.skip(f"no rehearsal on this machine: {error}")


def program(folder: Path, source: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  gcp:project: shop-dev\n")
    (folder / "__main__.py").write_text(source)
    return folder


def rehearsed(engine: Installed, folder: Path, before: str, after: str) -> Rehearsed:
    was, is_ = program(folder / "was" / "shop", before), program(folder / "is" / "shop", after)
    return rehearse(was, is_, "dev", engine)


def test_a_change_is_previewed_on_top_of_the_base_and_carried_out(engine: Installed, tmp_path: Path) -> None:
    done = rehearsed(engine, tmp_path, PROGRAM, PROGRAM.replace('name="orders"', 'name="incoming"'))

    assert done.preview is not None
    assert [(each.what, each.name, each.properties) for each in done.preview.changes] == [
        ("replaced", "orders", ("name",))
    ]
    assert (done.step, done.problems) == ("preview again", [])


def test_without_a_change_there_is_nothing_to_carry_out(engine: Installed, tmp_path: Path) -> None:
    done = rehearsed(engine, tmp_path, PROGRAM, PROGRAM)

    assert done.preview is not None
    assert (done.preview.changes, done.preview.unchanged) == ([], 3)
    assert (done.step, done.problems) == ("preview", [])


def test_what_google_would_refuse_is_a_problem_of_the_step(engine: Installed, tmp_path: Path) -> None:
    bucket = '\ngcp.storage.Bucket("files", name="Not A Name", location="EU")\n'
    done = rehearsed(engine, tmp_path, PROGRAM, PROGRAM + bucket)

    assert done.step == "up"
    assert [problem.resource for problem in done.problems] == ["files"]


def test_a_base_that_cannot_be_deployed_is_said_to_be_so(engine: Installed, tmp_path: Path) -> None:
    broken = PROGRAM.replace("opts=opts", "")
    done = rehearsed(engine, tmp_path, broken, PROGRAM)

    assert (done.step, done.preview) == ("up of the base", None)
    assert [problem.resource for problem in done.problems] == ["orders"]


def test_a_program_that_fails_is_a_preview_that_stops(engine: Installed, tmp_path: Path) -> None:
    done = rehearsed(engine, tmp_path, PROGRAM, PROGRAM + '\nraise ValueError("no such price")\n')

    assert done.preview is not None
    assert done.preview.stops
    assert any("no such price" in each.message for each in done.preview.errors)
    assert (done.step, done.problems) == ("preview", [])
