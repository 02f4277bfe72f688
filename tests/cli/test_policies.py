"""What `preview` says of the program's policies."""

import json
from typing import Any

import pytest

from omnipipe.cli import cloud
from omnipipe.laptop import lifecycle
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.plan import Preview
from omnipipe.laptop.policies import Violation

WARNING = Violation("unknown-regions", "storage.Bucket b", False, "is it spelled right?")
REFUSAL = Violation("labels", "storage.Bucket b", True, "it has none")


def foresee(monkeypatch: pytest.MonkeyPatch, *violations: Violation) -> None:
    """Let a preview say this."""

    def preview(*_: Any, **__: Any) -> Preview:
        return Preview([], list(violations))

    monkeypatch.setattr(lifecycle, "preview", preview)


def test_a_warning_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    foresee(monkeypatch, WARNING)
    cloud.preview()
    assert capsys.readouterr().out.splitlines() == [
        "Nothing would change.",
        "warning: storage.Bucket b: is it spelled right? (policy unknown-regions)",
    ]


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_refused_is_an_error_after_all_was_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    foresee(monkeypatch, REFUSAL, WARNING)
    with pytest.raises(
        LaptopError, match=r"nothing of it was made: storage.Bucket b: it has none \(policy labels\)$"
    ):
        cloud.preview(as_json=as_json)
    told = capsys.readouterr().out
    if as_json:
        told = json.loads(told)
        assert told["changes"] == []
        assert [each["policy"] for each in told["violations"]] == ["labels", "unknown-regions"]
    else:
        assert "warning: storage.Bucket b: is it spelled right?" in told
