"""Log lines as Cloud Logging reads them."""

import json
import logging
import subprocess
import sys

import pytest

from omnipipe.runtime import log


def test_a_record_is_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("weather")
    logging.getLogger("here").warning("two\nlines for %s", "Zürich", extra={"run_id": "run-1"})
    try:
        raise ValueError("no city")
    except ValueError:
        logging.getLogger("here").exception("failed")
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first.pop("timestamp").endswith("+00:00")
    assert first == {
        "severity": "WARNING",
        "message": "two\nlines for Zürich",
        "service": "weather",
        "logger": "here",
        "run_id": "run-1",
    }
    assert (second["severity"], second["message"]) == ("ERROR", "failed")
    assert "ValueError: no city" in second["stack_trace"]


def test_fields_of_its_own_are_in_the_line_and_letters_stay_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("probe")
    logging.getLogger("here").info("Zürich", extra={"fields": {"figure": "lag", "value": 3}})
    logging.getLogger("here").debug("not on Google")
    (line,) = capsys.readouterr().out.splitlines()
    entry = json.loads(line)
    assert (entry["figure"], entry["value"], entry["severity"]) == ("lag", 3, "INFO")
    assert "run_id" not in entry
    assert "Zürich" in line  # as a person reads it in the file


def test_it_needs_no_package() -> None:
    # -S: no site-packages at all. A job such as migrate has neither google-cloud-bigquery nor requests.
    imports = "import omnipipe.runtime.log, omnipipe.contracts.tables"
    subprocess.run([sys.executable, "-S", "-c", imports], check=True)
