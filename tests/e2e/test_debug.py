"""`omnipipe debug`: a client of the debug protocol stops a function and a job where their sources say."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from omnipipe.laptop.home import PROJECT_ROOT
from tests.e2e.conftest import COMMAND, Laptop
from tests.support.dap import Client, attached
from tests.support.following import Following, following
from tests.support.ports import free_ports

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def up(laptop: Laptop) -> Laptop:
    laptop.ok("up")
    laptop.ok("seed", "--trips", "100")
    return laptop


@contextmanager
def debugged(laptop: Laptop, name: str, source: str, line: str) -> Iterator[tuple[Following, Client]]:
    """A workload under the debugger, and a client as the printed configuration says, with a breakpoint."""
    port = free_ports(1)
    with following([COMMAND, "debug", name, "--port", str(port)], laptop.environment) as command:
        told = command.until("nvim-dap")
        configuration = json.loads(told[told.index("{\n") : told.rindex("}") + 1])
        assert configuration["connect"] == {"host": "127.0.0.1", "port": port}
        mappings = [
            each | {"localRoot": each["localRoot"].replace("${workspaceFolder}", str(PROJECT_ROOT))}
            for each in configuration["pathMappings"]
        ]
        file = PROJECT_ROOT / source
        number = file.read_text().splitlines().index(line) + 1
        with attached(port, mappings, {str(file): [number]}) as client:
            yield command, client


def stopped(client: Client, source: str, expression: str) -> str:
    """The value of an expression where it has stopped, which must be in the source; then it goes on."""
    thread = client.event("stopped")["threadId"]
    frame = client.ask("stackTrace", threadId=thread)["stackFrames"][0]
    assert frame["source"]["path"] == str(PROJECT_ROOT / source)
    value = client.ask("evaluate", expression=expression, frameId=frame["id"])["result"]
    client.ask("continue", threadId=thread)
    return value


def test_a_function_takes_the_calls_of_the_deployed_one_until_ctrl_c(up: Laptop) -> None:
    source = "functions/weather/main.py"
    line = '    return function.answer(request.get_json(silent=True), "weather", _update)'
    before = up.processes()["weather"].pid
    with debugged(up, "weather", source, line) as (command, client):
        assert "omnipipe run --only weather" in command.until("takes calls now").replace(COMMAND, "omnipipe")
        with following([COMMAND, "run", "--only", "weather"], up.environment) as call:
            assert "weather-function@" in stopped(client, source, "__import__('os').environ['GCE_METADATA_HOST']")
            call.until("succeeded")
        command.process.send_signal(signal.SIGINT)
        command.until("weather runs again as it is deployed")
        assert command.process.wait(30) == 0
    assert up.processes()["weather"].pid != before
    assert "succeeded" in up.ok("run", "--only", "weather")
    assert "unchanged" in up.ok("up")


def test_a_job_runs_once_with_a_run_of_its_own(up: Laptop) -> None:
    source, line = "jobs/catch_up/main.py", "    beat = heartbeat.beat(run.run_id)"
    with debugged(up, "capture", source, line) as (command, client):
        assert stopped(client, source, "run.run_id == __import__('os').environ['RUN_ID']") == "True"
        command.until("capture ended with exit code 0.")
        assert command.process.wait(30) == 0


def test_ctrl_c_ends_a_job_that_waits_for_its_client(up: Laptop) -> None:
    with following([COMMAND, "debug", "probe", "--port", str(free_ports(1))], up.environment) as command:
        command.until("probe begins when a client attaches")
        assert "probe" in up.processes()
        command.process.send_signal(signal.SIGINT)
        assert command.process.wait(30) == 0
    assert "probe" not in up.processes()
    assert "is up" in up.ok("status")
