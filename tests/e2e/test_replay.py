"""A message that the receiver refuses: a dead letter under reverse sync's own grants, replayed in both ways."""

import json
import time
from typing import Any

import pytest
import requests

from omnipipe.laptop.services.functions.resources import address
from omnipipe.laptop.services.workflows.resources import WORKFLOW
from tests.e2e.conftest import Laptop

pytestmark = pytest.mark.e2e

LETTERS = "SELECT dead_letter_id FROM ops.dead_letters WHERE origin = 'webhook' ORDER BY recorded_at"


def reverse_sync(laptop: Laptop, run_id: str) -> requests.Response:
    """Call the step as the workflow does, in a run of its own."""
    cloud = laptop.cloud
    url = address(cloud, "reverse-sync")
    token = cloud.tokens.issue(f"daily-workflow@{cloud.project}.iam.gserviceaccount.com", url)
    run = {"run_id": run_id, "run_date": "2026-03-02"}
    return requests.post(url, json=run, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def workflow(laptop: Laptop, argument: dict[str, Any]) -> dict[str, Any]:
    """Run the daily workflow with an argument, as `gcloud workflows run daily --data` does; returns the execution."""
    cloud = laptop.cloud
    (daily,) = cloud.registry.of_type(WORKFLOW)
    url, headers = f"{cloud.google}/v1/{daily.id}/executions", cloud.as_owner()
    execution = requests.post(url, json={"argument": json.dumps(argument)}, headers=headers, timeout=30).json()
    while execution["state"] == "ACTIVE":
        time.sleep(0.1)
        execution = requests.get(f"{cloud.google}/v1/{execution['name']}", headers=headers, timeout=30).json()
    return execution


def give_up(laptop: Laptop, city: str) -> str:
    """Let the figures of a city change, and the receiver refuse them; returns the dead letter's id."""
    faults = f"{laptop.address('webhook')}/_faults"
    requests.put(faults, json={"mode": "status", "status": 400, "containing": city}, timeout=5).raise_for_status()
    laptop.rows(
        "UPDATE analysis.kpis SET content_hash = CONCAT('changed', content_hash), updated_at = CURRENT_TIMESTAMP() "
        f"WHERE city = '{city}' AND day = (SELECT MAX(day) FROM analysis.kpis WHERE city = '{city}')"
    )
    answers = [reverse_sync(laptop, f"{city}-{number}") for number in range(5)]
    assert [answer.status_code for answer in answers] == [500] * 4 + [200], [answer.text for answer in answers]
    assert all(f"{city}/" in answer.text and "answered 400" in answer.text for answer in answers[:4])
    requests.delete(faults, timeout=5).raise_for_status()
    return laptop.rows(LETTERS)[-1][0]


def test_a_refused_message_is_kept_and_replayed_by_the_command_and_by_the_workflow(laptop: Laptop) -> None:
    laptop.ok("up")
    laptop.ok("seed", "--trips", "300")
    assert laptop.daily()["status"] == "succeeded"

    first = give_up(laptop, "Berlin")
    assert laptop.ok("replay", first).strip() == "1 dead letters sent."
    assert laptop.messages()[-1]["id"] == first

    second = give_up(laptop, "Vienna")
    execution = workflow(laptop, {"replay": [second]})
    assert json.loads(execution["result"]) == {"rows": 1, "message": "1 dead letters sent"}
    assert laptop.messages()[-1]["id"] == second
    assert len(laptop.rows("SELECT run_id FROM ops.pipeline_runs")) == 1  # neither was a run

    done = laptop.run("replay", second)
    assert done.returncode == 1
    assert f"not sent: {second}: no dead letter of this id waits" in " ".join(done.stderr.split())
