"""A mistake of each kind, made in a copy of the project, fails on the laptop with a message that names it.

The tests of this module share one laptop cloud. Those of the first half run before it has ever been whole.
"""

import json

import pytest

from tests.e2e.conftest import Copy

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def whole(copy: Copy) -> Copy:
    """The cloud, up without a mistake: what a failed `up` has left is no hindrance."""
    copy.ok("up")
    return copy


OLTP = "components/oltp_database.py"
PIPELINE = "components/platform/pipeline.py"
SOURCE = "components/platform/workflow.yaml.j2"
IMPATIENT = ("jobs/migrate/database.py", "_CONNECT_WITHIN_S = 60", "_CONNECT_WITHIN_S = 1")


def test_logical_decoding_that_is_off(copy: Copy) -> None:
    with copy.mistake(OLTP, '"cloudsql.logical_decoding", "value": "on"', '"max_connections", "value": "50"'):
        said = copy.refused("up")
    assert "the job migrate, which runs at deployment, failed" in said
    assert "set the flag cloudsql.logical_decoding=on" in said


def test_a_missing_forwarding_rule(copy: Copy) -> None:
    text = (copy.tree / OLTP).read_text()
    rule = text[text.index("        endpoint = gcp") : text.index("        database = gcp")]
    with (
        copy.mistake(OLTP, rule, ""),
        copy.mistake(*IMPATIENT),
    ):
        # Another address: to the one of the test before a rule already leads, until a whole `up` takes it down.
        path = copy.tree / OLTP
        path.write_text(path.read_text().replace("[endpoint, ", "[").replace("-address", "-other-address"))
        said = copy.refused("up")
    assert "the job migrate, which runs at deployment, failed" in said
    assert "no connection within 1 s" in said
    assert "oltp-other-address" in said


@pytest.mark.parametrize(
    ("right", "wrong", "cause"),
    [
        ("instances/{self._name}-instance", "instances/another", "authentication failed for user"),
        ("[ADMINISTRATORS] if administrator", "[] if administrator", "may not act as cloudsqlsuperuser"),
        ("email.removesuffix(_DOMAIN)", "email", "without .gserviceaccount.com"),
    ],
)
def test_a_database_login_that_is_half_made(copy: Copy, right: str, wrong: str, cause: str) -> None:
    with copy.mistake(OLTP, right, wrong), copy.mistake(*IMPATIENT):
        assert cause in copy.refused("up")


def test_a_dockerfile_that_forgets_a_file(copy: Copy) -> None:
    with copy.mistake("jobs/migrate/Dockerfile", "COPY seed/schema.sql ./\n", ""):
        said = copy.refused("up")
    assert "the job migrate, which runs at deployment, failed" in said
    assert "schema.sql" in said


def test_a_dockerignore_that_leaves_a_file_out(copy: Copy) -> None:
    with copy.mistake("jobs/migrate/Dockerfile.dockerignore", "!seed/schema.sql\n", ""):
        said = copy.refused("up")
    assert (
        "jobs/migrate/Dockerfile: COPY seed/schema.sql ./: seed/schema.sql is not in the build's context" in said
    )


# file, what is right, what is wrong, what the message must name
AT_UP = {
    "a dataset that is missing": (
        "omnipipe/contracts/sources/mobility.py",
        '        "staging": "Typed, the latest version of each key.",\n',
        "",
        ["the warehouse has no dataset 'staging'"],
    ),
    "a table in a dataset that is missing": (
        "omnipipe/contracts/tables.py",
        '    "ops": "Runs, steps, validation results, deliveries, dead letters.",\n',
        "",
        ["ops.dead_letters, ops.pipeline_leases, ops.pipeline_runs, ", "declare their datasets too"],
    ),
    "a resource type that the laptop does not know": (
        "stacks/__main__.py",
        "platform = ",
        'import pulumi_gcp\npulumi_gcp.cloudtasks.Queue("tasks", location="europe-west1")\nplatform = ',
        ["does not know gcp:cloudtasks/queue:Queue (tasks)"],
    ),
    "an impossible cron line": (
        "Pulumi.dev.yaml",
        "  omnipipe:schedulePaused: true\n",
        '  omnipipe:schedulePaused: true\n  omnipipe:schedule: "0 25 * * *"\n',
        ["schedule is '0 25 * * *': write a cron line of five fields"],
    ),
    "a setting without a value": (
        "Pulumi.dev.yaml",
        "  gcp:region: europe-west1\n",
        "",
        ["gcp:region is not set"],
    ),
    "a workflow that jumps to a missing step": (
        SOURCE,
        "      full_refresh: ${full_refresh}\n{%- endif %}",
        "      full_refresh: ${full_refresh}\n    next: finsh\n{%- endif %}",
        [
            "policies refuse the program, and nothing of it was made",
            "dbt goes on to finsh",
            "policy workflow-sources",
        ],
    ),
    "a workflow that calls a missing function": (
        SOURCE,
        "${text.substring(time.format(sys.now()), 0, 10)}",
        "${text.substr(time.format(sys.now()), 0, 10)}",
        ["the workflow daily is refused", "daily.yaml:", "'read_settings'", "text.substr"],
    ),
    "a secret version that does not exist": (
        "components/function_service.py",
        '"version": secret.version,',
        '"version": "9",',
        ["reverse-sync-function", "there is no version 9 of the secret 'webhook-secret'"],
    ),
    "an entry point that does not exist": (
        PIPELINE,
        "entry_point=step.folder",
        'entry_point=step.folder.replace("ea", "e")',
        ["weather ended as soon as it was started", "wether"],
    ),
    "another type for the columns of tables that are there": (
        "omnipipe/contracts/schema.py",
        '"STRING"',
        '"BIGNUMERIC"',
        ["bigquery.Table", "cannot change or go in place, as on Google"],
    ),
    "a role that nobody knows": (
        "components/warehouse.py",
        '(read, "dataViewer")',
        '(read, "dataReader")',
        ["does not know 'roles/bigquery.dataReader'", "omnipipe/laptop/iam/roles.py"],
    ),
    "a bucket that may be opened to everybody": (
        "components/code_store.py",
        'public_access_prevention="enforced"',
        'public_access_prevention="inherited"',
        [
            "nothing of it was made",
            "storage.Bucket omnipipe-code-sources: it may be opened",
            "policy private-buckets",
        ],
    ),
    "a secret that its function may not read": (
        "components/secrets.py",
        'role="roles/secretmanager.secretAccessor"',
        'role="roles/secretmanager.viewer"',
        ["Permission denied on secret", "versions"],
    ),
    "a program that is no Python": (
        "components/platform/platform.py",
        "class Platform(",
        "class Platform((",
        ["SyntaxError", "platform.py"],
    ),
}


@pytest.mark.parametrize("mistake", AT_UP)
def test_a_mistake_that_stops_up(copy: Copy, mistake: str) -> None:
    file, right, wrong, named = AT_UP[mistake]
    with copy.mistake(file, right, wrong):
        said = copy.refused("up")
    for words in named:
        assert words in said


def test_checks_that_are_declared_wrong(copy: Copy) -> None:
    """All of them at once, before anything is built."""
    with copy.mistake("jobs/dvt/checks/fct_trip.yml", "column: trip_id", "colunm: trip_id"):
        done = copy.run("preview")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: the checks in jobs/dvt/checks do not fit:",
        "fct_trip.yml:6: check fct_trip_key_unique: kind unique needs column or columns: add one",
        "fct_trip.yml:6: check fct_trip_key_unique: kind unique has no option colunm: remove it",
    ]


def test_a_package_that_is_missing(copy: Copy) -> None:
    requirements = (copy.tree / "functions/reverse_sync/requirements.txt").read_text()
    start = requirements.index("standardwebhooks==")
    end = next(
        i for i in range(start, len(requirements)) if requirements[i] == "\n" and requirements[i - 1] != "\\"
    )
    with copy.mistake("functions/reverse_sync/requirements.txt", requirements[start : end + 1], ""):
        said = copy.refused("up")
    assert "reverse-sync ended as soon as it was started" in said
    assert "No module named 'standardwebhooks'" in said


# The same, for what nobody can see before it runs.
AT_RUN = {
    "a wrong name of a function's variable": (
        "components/function_service.py",
        "dict(args.environment)",
        '{key.replace("LOCATION", "LOCATON"): value for key, value in args.environment.items()}',
        "the environment variable BIGQUERY_LOCATION is not set: the function's component must give it",
    ),
    "a wrong name of a workflow's variable": (
        PIPELINE,
        "addresses[step.variable]",
        'addresses[step.variable.replace("FUNCTION", "FUNCTON")]',
        "WEATHER_FUNCTION_URL",
    ),
    "a grant that is missing": (
        PIPELINE,
        "write=[*step.writes, STEP_RUNS.id]",
        "write=[STEP_RUNS.id]",
        "Access Denied: Table omnipipe-dev:raw.weather",
    ),
}


@pytest.mark.parametrize("mistake", AT_RUN)
def test_a_mistake_that_fails_the_run(whole: Copy, mistake: str) -> None:
    file, right, wrong, named = AT_RUN[mistake]
    with whole.mistake(file, right, wrong):
        whole.ok("up")
        done = whole.run("run", "--json")

    assert done.returncode == 1, done.stdout
    result = json.loads(done.stdout)
    assert result["status"] == "failed"
    assert named in json.dumps(result)
    ((status, error),) = whole.rows(
        f"SELECT status, error FROM ops.pipeline_runs WHERE run_id = '{result['run_id']}'"
    )
    assert status == "failed"
    assert named in error
