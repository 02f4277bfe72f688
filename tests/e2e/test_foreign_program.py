"""Somebody else's Pulumi program runs here as it is: from its own folder, with nothing of OmniPipe in it."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from omnipipe.laptop.home import PROJECT_ROOT
from tests.e2e.conftest import Laptop

EXAMPLE = PROJECT_ROOT / "examples" / "visits"
GRANT = (
    'bigquery.DatasetIamMember("write", dataset_id=dataset.dataset_id, '
    'role="roles/bigquery.dataEditor", member=me)\n'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in a folder of its own, without one of its grants."""
    copy = tmp_path_factory.mktemp("elsewhere") / "visits"
    shutil.copytree(EXAMPLE, copy)
    program = copy / "__main__.py"
    text = program.read_text()
    assert text.count(GRANT) == 1
    program.write_text(text.replace(GRANT, ""))
    return copy


def test_it_comes_up_and_a_grant_that_is_missing_stops_it_as_on_google(laptop: Laptop, folder: Path) -> None:
    said = laptop.ok("up", "--program", str(folder))
    assert "The stack dev is up" in said
    assert "run NAME` starts a workflow or a job" in said or "run NAME starts a workflow or a job" in said

    failed = laptop.run("run", "evening", "--data", '{"day": "2026-01-02"}')
    assert failed.returncode == 1
    assert "evening failed" in failed.stdout
    assert "Permission bigquery.tables.create denied on dataset visits-dev:visits" in laptop.ok("logs", "load")


def test_with_the_grant_the_same_program_succeeds(laptop: Laptop, folder: Path) -> None:
    with (folder / "__main__.py").open("a") as program:
        program.write(GRANT)
    assert "created bigquery.DatasetIamMember write" in laptop.ok("up", "--program", str(folder))

    done = json.loads(laptop.ok("run", "evening", "--data", '{"day": "2026-01-02"}', "--json"))
    assert (done["status"], done["result"]) == ("succeeded", {"day": "2026-01-02", "visits": 118})
    rows = laptop.ok("sql", "--csv", "SELECT day, visits FROM visits.daily").split()
    assert rows == ["day,visits", "2026-01-02,118"]
    assert "2026-01-02 had 118 visits" in laptop.ok("logs", "load")


def test_a_job_runs_by_its_name_and_fails_with_its_own_words(laptop: Laptop) -> None:
    failed = laptop.run("run", "load")  # nothing tells it the day
    assert failed.returncode == 1
    assert "KeyError: 'DAY'" in failed.stderr


def test_without_a_name_those_that_there_are_are_told(laptop: Laptop) -> None:
    assert "name a workflow or a job: evening, load" in laptop.run("run").stderr


def test_new_code_of_its_function_is_deployed_by_the_next_up(laptop: Laptop, folder: Path) -> None:
    code = folder / "count" / "main.py"
    code.write_text(code.read_text().replace("100 +", "1000 +"))
    assert "changed cloudfunctionsv2.Function count" in laptop.ok("up", "--program", str(folder))

    done = json.loads(laptop.ok("run", "evening", "--data", '{"day": "2026-01-02"}', "--json"))
    assert done["result"]["visits"] == 1018


def test_a_type_that_is_missing_is_told_in_one_line(laptop: Laptop, folder: Path) -> None:
    with (folder / "__main__.py").open("a") as program:
        program.write('from pulumi_gcp import spanner\nspanner.Instance("s", config="c", display_name="s")\n')
    refused = laptop.run("up", "--program", str(folder))
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "does not know gcp:spanner/instance:Instance (s)" in refused.stderr


def test_status_tells_of_it_and_of_no_other(laptop: Laptop) -> None:
    state = json.loads(laptop.ok("status", "--json"))
    assert (state["stack"], state["project"], state["outside_world"]) == ("dev", "visits-dev", [])
    assert {process["name"] for process in state["processes"]} == {"bigquery", "google", "count"}
    assert "last run" not in laptop.ok("status")


def test_this_projects_own_stack_is_another_and_waits_for_it(laptop: Laptop) -> None:
    refused = laptop.run("up")
    assert refused.returncode == 1
    assert "the stack visits/dev is up: take it down first" in refused.stderr
    assert "bigquery, count, google" in laptop.ok("down")


def test_the_commands_of_its_page_work(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT_ROOT)
    (block,) = re.findall(r"```sh\n(.*?)```", (PROJECT_ROOT / "docs" / "programs.md").read_text(), re.DOTALL)
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert {line[0] for line in lines} == {"omnipipe"}
    said = {line[1]: laptop.ok(*line[1:], *(["--yes"] if line[1] == "up" else [])) for line in lines}
    assert '"visits": 118' in said["run"]
    assert "2026-01-02" in said["sql"]
    assert "2026-01-02 had 118 visits" in said["logs"]
