"""What a new user sees, in a terminal of 80 columns, in one of 200, and in a pipe; and what changes refuse."""

import re
import sys
import time
from collections.abc import Callable, Sequence

import pytest

from tests.e2e.conftest import COMMAND, Copy, Laptop
from tests.support.following import following
from tests.support.terminal import in_terminal, longest_silence_s

pytestmark = pytest.mark.e2e

SHOWN = [
    ("status",),
    ("status", "--all"),
    ("tables",),
    ("describe", "prod.dim_customer"),
    ("sql", "SELECT * FROM prod.fct_trip"),
    ("sql", "SELECT * FROM ops.step_runs"),
    ("deliveries",),
    ("logs", "-n", "20"),
    ("probe",),
    ("preview",),
]


# What takes seconds, or may on a slow machine.
WAITED_FOR = [
    ("up",),
    ("preview",),
    ("run",),
    ("run", "--only", "validate"),
    ("traffic", "--seconds", "5"),
    ("job", "migrate"),
    ("probe",),
    ("dbt", "ls", "--select", "fct_trip"),
    ("status",),
    ("tables",),
    ("describe", "prod.dim_customer"),
    ("deliveries",),
    ("sql", "SELECT COUNT(*) FROM prod.fct_trip"),
]


@pytest.fixture(scope="module")
def seeded(laptop: Laptop) -> Laptop:
    """A laptop cloud after a day with 1,000 trips."""
    laptop.ok("up")
    laptop.ok("seed", "--trips", "1000")
    laptop.ok("run")
    return laptop


def shown(laptop: Laptop, *arguments: str, columns: int, typed: Sequence[str] = ()) -> tuple[int, str]:
    return in_terminal([COMMAND, *arguments], laptop.environment, columns=columns, typed=typed)


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("arguments", SHOWN, ids=" ".join)
def test_what_is_shown_fits_the_terminal(seeded: Laptop, arguments: tuple[str, ...], columns: int) -> None:
    code, text = shown(seeded, *arguments, columns=columns)
    assert code == 0, text
    # What is to be copied as one line, and lines of logs, are the terminal's to fold.
    free = arguments[0] == "logs" or arguments == ("status", "--all")
    too_long = [line for line in text.splitlines() if len(line) > columns and not (free and "/" in line)]
    assert too_long == [] or arguments[0] == "logs", "\n".join(too_long)
    assert "Traceback" not in text


@pytest.mark.parametrize("arguments", WAITED_FOR, ids=" ".join)
def test_nothing_is_silent_for_longer_than_two_seconds(seeded: Laptop, arguments: tuple[str, ...]) -> None:
    began = time.monotonic()
    seeded.ok("--help")
    busy = max(1, (time.monotonic() - began) / 0.3)  # a machine that has other things to do is slower by so much
    if arguments[0] == "dbt":
        seeded.ok(*arguments)  # it parses for seconds the first time, and says itself that it does
    assert longest_silence_s([COMMAND, *arguments], seeded.environment) < 2 * busy


def test_status_says_in_five_lines_whether_all_is_well(seeded: Laptop) -> None:
    _, text = shown(seeded, "status", columns=80)
    here, *lines = text.strip().splitlines()
    assert here == "On this machine: the stack dev"
    assert len(lines) == 5
    assert re.match(r"all well +yes: the stack dev is up, \d+ processes, \d+ MB$", lines[0])
    assert re.search(r"^last run +succeeded for \d{4}-\d\d-\d\d", text, re.MULTILINE)
    environment = seeded.environment | {"HOME": str(seeded.home.parent)}  # as a user's is: the state is below it
    _, text = in_terminal([COMMAND, "status", "--all"], environment, columns=80)
    assert re.search(r"^project +omnipipe-dev, in ~/[^/]+/omnipipe/dev$", text, re.MULTILINE)


def test_status_names_what_is_gone_and_says_nothing_that_it_cannot_know(copy: Copy) -> None:
    copy.ok("up")
    copy.kill("bigquery", "datastream-cdc")
    text = copy.ok("status")
    assert text.startswith("all well    no: not running: bigquery, datastream-cdc. `")
    assert "datastream-cdc is stopped" in text
    assert "last run" not in text
    copy.ok("up")


def test_a_terminal_gets_the_first_hundred_rows_and_the_way_to_all(seeded: Laptop) -> None:
    _, text = shown(seeded, "sql", "SELECT trip_id FROM prod.fct_trip ORDER BY trip_id;", columns=80)
    _, *lines = text.strip().splitlines()
    assert lines[:3] == ["trip_id", "      1", "      2"]
    assert lines[-1] == "100 of 1,000 rows; --limit 0 for all"
    assert len(lines) == 102


def test_a_pipe_gets_all_rows_whole(seeded: Laptop) -> None:
    lines = seeded.ok("sql", "SELECT * FROM prod.fct_trip").splitlines()
    assert len(lines) == 1001
    assert max(map(len, lines)) > 80


def test_csv_is_exact(seeded: Laptop) -> None:
    query = "SELECT 0.001 AS a, 12345678 AS b, DATE '2026-01-02' AS c, CAST(NULL AS STRING) AS d, b'abc' AS e"
    assert seeded.ok("sql", query, "--csv") == "a,b,c,d,e\n0.001,12345678,2026-01-02,,YWJj\n"


def test_what_bigquery_would_refuse_is_refused_with_its_place(seeded: Laptop) -> None:
    done = seeded.run("sql", "SELECT 1,,2")
    assert done.returncode == 1
    assert done.stderr == (
        "On this machine: the stack dev\n"
        'error: BigQuery refused the query: Syntax error: Expected end of input but got "," at [1:10]\n'
    )
    missing = seeded.run("sql", "SELECT * FROM prod.nix").stderr
    assert missing.endswith("Not found: Table omnipipe-dev.prod.nix was not found in location EU\n")


def test_information_schema_of_no_dataset_is_that_of_all(seeded: Laptop) -> None:
    query = "SELECT COUNT(DISTINCT table_schema) AS n FROM INFORMATION_SCHEMA.TABLES"
    assert seeded.ok("sql", query, "--csv") == "n\n6\n"


def test_the_prompt_takes_statements_until_the_end_of_input(seeded: Laptop) -> None:
    code, text = shown(seeded, "sql", columns=80, typed=["SELECT 1 +\n", "1 AS two;\n", "SELECT nix;\n", "\x04"])
    assert code == 0, text
    assert re.search(r"two\n *2\n1 row$", text, re.MULTILINE), text
    assert "BigQuery refused the query" in text


def test_a_step_can_be_run_alone(seeded: Laptop) -> None:
    out = seeded.ok("run", "--only", "validate")
    assert re.search(r"^validate +succeeded", out, re.MULTILINE)
    refused = seeded.run("run", "--only", "nix").stderr
    assert "the day has no step 'nix': choose one of " in refused
    assert "validate" in refused


def test_the_shell_completes_tables(seeded: Laptop) -> None:
    asked = {"_OMNIPIPE_COMPLETE": "complete_bash", "COMP_WORDS": "omnipipe describe prod.dim", "COMP_CWORD": "2"}
    code, text = in_terminal([COMMAND], {**seeded.environment, **asked}, columns=80)
    assert code == 0
    assert text.split() == ["prod.dim_city", "prod.dim_customer"]


def test_dbt_has_the_stacks_profile(seeded: Laptop) -> None:
    assert "fct_trip" in seeded.ok("dbt", "ls", "--select", "fct_trip+", "--resource-type", "model")
    assert seeded.run("dbt", "run", "--select", "nix.nix").returncode in (0, 1, 2)


def test_a_stack_keeps_its_ports_and_says_so(seeded: Laptop) -> None:
    without = {name: value for name, value in seeded.environment.items() if name != "OMNIPIPE_PORT"}
    code, text = in_terminal([COMMAND, "up"], without, columns=80)
    assert code == 0, text
    assert "Nothing has changed." in text

    code, text = in_terminal([COMMAND, "up"], {**without, "OMNIPIPE_PORT": str(seeded.port + 100)}, columns=400)
    assert code == 1
    assert f"is up on the ports from {seeded.port} on, and OMNIPIPE_PORT is {seeded.port + 100}" in text


def test_another_project_or_region_is_refused_and_nothing_is_lost(copy: Copy) -> None:
    copy.ok("up")
    copy.ok("seed", "--trips", "100")
    for wrong, said in (
        (
            "gcp:project: other-project",
            "Pulumi.dev.yaml:2: gcp:project is other-project, and what is here was made for",
        ),
        (
            "gcp:region: europe-west3",
            "Pulumi.dev.yaml:3: gcp:region is europe-west3, and what is here was made for",
        ),
    ):
        right = "gcp:project: omnipipe-dev" if "project" in wrong else "gcp:region: europe-west1"
        with copy.mistake("Pulumi.dev.yaml", right, wrong):
            for command in ("up", "preview"):
                done = copy.run(command)
                assert done.returncode == 1, done.stdout
                assert said in done.stderr
                assert "omnipipe down --purge" in done.stderr
    assert "unchanged" in copy.ok("up")
    assert copy.postgres("SELECT COUNT(*) FROM trips") == [(100,)]


def test_what_would_lose_data_is_told_before_and_wants_yes(copy: Copy) -> None:
    copy.ok("up")
    copy.ok("seed", "--trips", "100")
    line = 'DATABASE = "mobility"'
    with copy.mistake("components/platform/capture.py", line, 'DATABASE = "rides"'):
        told = copy.ok("preview")
        assert re.search(r"± replace +sql\.Database \S+ \(its data would be lost\)", told)
        assert "name: mobility → rides" in told
        refused = copy.run("up")
        assert refused.returncode == 1
        assert "would be replaced, and its data lost: name mobility becomes rides" in refused.stderr
        assert "--yes" in refused.stderr
    copy.ok("up")
    assert copy.postgres("SELECT COUNT(*) FROM trips") == [(100,)]


def test_a_stream_that_is_dead_is_told_by_up_with_what_to_do(copy: Copy) -> None:
    copy.ok("up")
    copy.ok("seed", "--trips", "100")
    copy.wait_for_streams()  # what is not captured yet is lost with the slot, and validation says so
    copy.kill("datastream-cdc")
    instance = copy.cloud.registry.of_type("gcp:sql/databaseInstance:DatabaseInstance")[0]
    from omnipipe.laptop.services.sql import resources as sql

    with sql._server(copy.cloud, instance)._admin() as admin:  # the slot is gone, as when its log was lost
        admin.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")
        deadline = time.monotonic() + 10
        while admin.execute("SELECT slot_name FROM pg_replication_slots WHERE active").fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        admin.execute("SELECT pg_drop_replication_slot('omnipipe')")
    done = copy.run("up")
    assert done.returncode == 1, done.stdout
    assert "the replication slot omnipipe does not exist" in done.stderr
    assert "omnipipe job migrate" in done.stderr

    copy.ok("job", "migrate")
    copy.ok("up")
    assert copy.daily()["status"] == "succeeded"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("https://hooks.example.com/omnipipe-dev", "hooks.example.com", "Pulumi.dev.yaml:6: webhookUrl is"),
        (
            "europe-west1",
            "europe-west99",
            "Pulumi.dev.yaml:3: region is 'europe-west99': give one such as europe-west9",
        ),
        ("schedulePaused: true", "shedule: daily", "Pulumi.dev.yaml:5: there is no setting omnipipe:shedule"),
        ("schedulePaused: true", "schedulePaused: maybe", "Pulumi.dev.yaml:5: schedulePaused is 'maybe'"),
    ],
)
def test_a_wrong_setting_is_told_with_its_line_before_anything_is_made(
    copy: Copy, right: str, wrong: str, said: str
) -> None:
    with copy.mistake("Pulumi.dev.yaml", right, wrong):
        assert said in copy.refused("up")


def test_a_process_that_is_gone_is_named_and_not_a_connection(copy: Copy) -> None:
    copy.ok("up")
    copy.ok("seed", "--trips", "100")
    command = [sys.executable, "-c", "from omnipipe.cli import main; main()"]
    for arguments, begun, victim in (
        (("traffic", "--seconds", "60"), None, "postgres-omnipipe-capture-oltp-instance"),
        (("run",), "capture", "google"),
        (("run", "--only", "validate"), "validate", "google"),
    ):
        with following([*command, *arguments], copy.environment, copy.tree) as running:
            wait_until(lambda job=begun: job in copy.processes() if job else has_traffic(copy))
            copy.kill(victim)
            assert f"error: not running: {victim}. `omnipipe up` brings it back" in running.until("error:")
            assert running.process.wait(60) == 1
        if victim == "google":
            assert copy.refused("job", "probe") == "error: not running: google. `omnipipe up` brings it back\n"
        copy.ok("up")


def has_traffic(copy: Copy) -> bool:
    """Whether more than the seeded trips were requested."""
    return copy.postgres("SELECT MAX(trip_id) FROM trips")[0][0] > 100


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, for a minute at most."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
