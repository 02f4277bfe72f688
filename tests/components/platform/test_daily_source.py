"""What the source of the day does with its argument."""

from typing import Any

import yaml
from flask import Flask, request

from components.platform.daily_pipeline import SOURCE
from omnipipe.laptop.services.workflows.interpreter import Environment, WorkflowError, parse
from tests.functions.conftest import serving


def test_a_full_refresh_that_is_asked_for_reaches_dbt_alone() -> None:
    """By an override of the job's environment; the argument's name is the one that people and the command write."""
    source = yaml.safe_load(SOURCE.read_text())
    (steps,) = (step["all_steps"]["try"]["steps"] for step in source["main"]["steps"] if "all_steps" in step)
    given = {name: step["args"].get("full_refresh") for entry in steps for name, step in entry.items()}
    assert {name: value for name, value in given.items() if value} == {"dbt": "${full_refresh}"}
    assert "${input.full_refresh}" in SOURCE.read_text()
    (execute,) = (step["execute"]["try"] for step in source["run_job"]["steps"] if "execute" in step)
    (container,) = execute["args"]["body"]["overrides"]["containerOverrides"]
    assert {"name": "FULL_REFRESH", "value": "${full_refresh}"} in container["env"]


def replay(answer: tuple[dict[str, Any], int]) -> tuple[Any, list[Any]]:
    """Run the source with {"replay": …} and a function that answers so; the result, and what the function was sent."""
    app, sent = Flask("reverse-sync"), []

    @app.post("/")
    def function() -> tuple[dict[str, Any], int]:
        sent.append(request.get_json())
        return answer

    with serving(app) as address:
        env = {"REVERSE_SYNC_FUNCTION_URL": address}  # all that it needs: no run is recorded, no other step begins
        here = Environment(
            project="p",
            project_number="1",
            location="l",
            workflow_id="daily",
            execution_id="e",
            service_account="daily@p.iam.gserviceaccount.com",
            env=env,
            token=lambda kind, audience: f"{kind} for {audience}",
        )
        try:
            return parse(SOURCE.read_text(), SOURCE.name).run({"replay": ["an-id"]}, here), sent
        except WorkflowError as error:
            return error.error, sent


def test_a_replay_is_handed_to_reverse_sync_and_starts_no_run() -> None:
    answer = {"rows": 1, "message": "1 dead letters sent"}
    assert replay((answer, 200)) == (answer, [{"replay": ["an-id"]}])


def test_a_replay_that_fails_says_why() -> None:
    result, _ = replay(({"error": "refused again: Berlin"}, 500))
    assert result == {"step": "replay", "message": "refused again: Berlin"}
