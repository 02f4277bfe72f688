"""The commands that the docs show of a stack at Google work, as far as Google can be simulated."""

import pytest
from typer.testing import CliRunner

from omnipipe.cli import app
from tests.google.conftest import Simulated, run_of_the_day, table
from tests.google.test_looking import ENTRIES, everything
from tests.google.test_runs import STEPS, job
from tests.test_readme import AT_GOOGLE


@pytest.mark.parametrize("command", AT_GOOGLE, ids=" ".join)
def test_a_command_of_the_docs_works(google: Simulated, command: list[str]) -> None:
    everything(google)
    job(google, "business", response={})
    google.on("POST logging/v2/entries:list", {"entries": ENTRIES})
    if command[0] == "run":
        run_of_the_day(google, result="{}")
        table(google, *STEPS, rows=[["dbt", "succeeded", "12", "60", ""]])

    done = CliRunner().invoke(app, command)

    assert done.exit_code == 0, done.output
    assert done.stderr.startswith("At Google: the stack dev, ")


def test_the_docs_show_some() -> None:
    assert {command[0] for command in AT_GOOGLE} == {"status", "seed", "run", "logs"}
