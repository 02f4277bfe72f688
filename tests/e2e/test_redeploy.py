"""`up` after a change deploys what changed, and nothing else; what the program no longer asks for is taken down."""

import pytest

from tests.e2e.conftest import Copy

pytestmark = pytest.mark.e2e


def pids(copy: Copy) -> dict[str, int]:
    """Process ids by name."""
    return {name: process.pid for name, process in copy.processes().items()}


def changed(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """Names of the processes that are other ones now, new or gone."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_a_change_of_a_function_deploys_that_function(copy: Copy) -> None:
    copy.ok("up")
    before = pids(copy)

    with copy.added("functions/weather/main.py", "# a comment more\n"):
        copy.ok("up")
        assert changed(before, pids(copy)) == {"weather"}


def test_a_change_of_a_job_starts_no_process_anew(copy: Copy) -> None:
    before = pids(copy)
    image = copy.cloud.registry.get("docker-build:index:Image::omnipipe-daily-dbt-image")
    with copy.added("jobs/dbt/main.py", "# a comment more\n"):
        copy.ok("up")
        after = copy.cloud.registry.get("docker-build:index:Image::omnipipe-daily-dbt-image")
    assert image is not None
    assert after is not None
    assert image.outputs["digest"] != after.outputs["digest"]
    assert changed(before, pids(copy)) - {"weather"} == set()


def test_what_the_program_no_longer_registers_is_taken_down(copy: Copy) -> None:
    text = (copy.tree / "components/platform/capture.py").read_text()
    stream = text[text.index("        stream = CdcStream(\n") : text.index("        self.workloads")]
    with copy.mistake(
        "components/platform/capture.py", stream, '        self.stream_id = pulumi.Output.from_input("none")\n'
    ):
        copy.ok("up")
        assert "datastream-cdc" not in copy.processes()
        assert copy.cloud.registry.of_type("gcp:datastream/stream:Stream") == []

    copy.ok("up")
    assert "datastream-cdc" in copy.processes()


def test_a_new_column_of_our_own_table_is_added_and_rows_stay(copy: Copy) -> None:
    copy.rows(
        "INSERT INTO ops.dead_letters (dead_letter_id, origin, payload, reason, recorded_at) "
        "VALUES ('1', 'test', '{}', 'kept', CURRENT_TIMESTAMP())"
    )
    line = '    reason: str = column("Why, and what to do.")\n'
    with copy.mistake("omnipipe/contracts/tables.py", line, line + '    hint: str | None = column("A hint.")\n'):
        copy.ok("up")
        assert copy.rows("SELECT reason, hint FROM ops.dead_letters") == [["kept", None]]
