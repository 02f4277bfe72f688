"""What a rehearsal is told beside a program: settings, how its data is released, its policies."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnipipe.rehearsal.engine.declaration import Declaration
from omnipipe.rehearsal.engine.installed import CannotRehearse


def test_a_program_without_one_declares_nothing(tmp_path: Path) -> None:
    assert Declaration.load(tmp_path) == Declaration({}, {}, None)


def test_all_that_it_may_say(tmp_path: Path) -> None:
    (tmp_path / "rehearsal.yaml").write_text(
        'settings: {shop:wait: "0"}\nrelease: {shop:keep: "false"}\npolicies: policy\n'
    )
    assert Declaration.load(tmp_path) == Declaration({"shop:wait": "0"}, {"shop:keep": "false"}, "policy")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("settings: [", "is no YAML"),
        ("setings: {}", "settings, release, policies, and nothing else"),
        ("settings: {shop:wait: 0}", "settings: write KEY: VALUE lines, each value a text in quotes"),
        ("release: [a]", "release: write KEY: VALUE"),
    ],
)
def test_another_form_is_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "rehearsal.yaml").write_text(text)
    with pytest.raises(CannotRehearse, match=words):
        Declaration.load(tmp_path)
