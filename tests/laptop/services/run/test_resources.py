"""A job that a deployment runs: a run that fails stops `up`, and what the next `up` makes of it is Pulumi's way."""

from collections.abc import Sequence
from typing import Any

import pytest

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.run.resources import JOB

ANEW = ("*",)


class Google:
    """Cloud Run, as far as a deployment sees it: how the next runs end, and how many there were."""

    def __init__(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        self._home = cloud.home
        self.ends: list[str | None] = []
        self.runs = 0
        monkeypatch.setattr(Cloud, "run_job", self._run)

    def _run(self, job_id: str) -> str | None:
        assert job_id.endswith("/jobs/migrate")
        self.runs += 1
        return self.ends.pop(0) if self.ends else None

    def up(self, run: str | None = "first", *, options: Sequence[str] = ANEW, **more: Any) -> str:
        """One `up` of a program with the job; what it says became of it."""
        told: list[str] = []

        def report(what: str, _: Resource) -> None:
            told.append(what)

        cloud = Cloud(self._home, "omnipipe-test", "europe-west1")
        inputs = {
            "name": "migrate",
            "location": "europe-west1",
            "template": {"template": {"containers": []}},
            **more,
        }
        if run is not None:
            inputs["runExecutionToken"] = run
        Deployment(cloud, report).register(JOB, "migrate-job", inputs, False, options)
        return told[0]


@pytest.fixture
def google(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Google:
    return Google(cloud, monkeypatch)


def test_it_runs_when_it_is_made_and_then_only_with_another_token(google: Google) -> None:
    assert [google.up(options=()), google.up(options=()), google.up("second", options=())] == [
        "created",
        "unchanged",
        "changed",
    ]
    assert google.runs == 2
    google.up(None, options=())
    assert google.runs == 2


def test_a_run_that_fails_stops_up_and_the_next_up_runs_it_again(google: Google) -> None:
    google.ends = ["it failed", "it failed again"]
    for _ in range(2):
        with pytest.raises(LaptopError, match="the job migrate, which runs at deployment, failed"):
            google.up()
    assert google.up() == "changed"
    assert google.runs == 3
    assert google.up() == "unchanged"
    assert google.runs == 3


def test_a_later_run_that_fails_is_run_again_too(google: Google) -> None:
    google.up()
    google.ends = ["it failed"]
    with pytest.raises(LaptopError):
        google.up("second")
    google.up("second")
    assert google.runs == 3


def test_an_environment_that_comes_back_is_run_again(google: Google) -> None:
    for token in ("first", "second", "first"):
        google.up(token)
    assert google.runs == 3


def test_a_change_of_anything_makes_it_anew_and_runs_it(google: Google) -> None:
    google.up()
    assert google.up(deletionProtection=False) == "changed"
    assert google.runs == 2


def test_without_that_option_the_next_up_finds_nothing_to_do_as_pulumi_does_not(google: Google) -> None:
    """The engine sends an empty update for an error of the initialisation, and the provider does nothing with it."""
    google.ends = ["it failed"]
    with pytest.raises(LaptopError):
        google.up(options=())
    assert google.up(options=()) == "changed"
    assert google.runs == 1
    assert google.up(options=()) == "unchanged"
