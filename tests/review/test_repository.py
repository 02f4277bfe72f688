"""What git knows of the commit that a change begins at."""

import subprocess
from pathlib import Path

import pytest

from omnipipe.review.repository import NoBase, base


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=me", "-c", "user.email=me@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program in a folder of a repository, on a branch that left main, which went on."""
    folder = tmp_path / "programs" / "shop"
    folder.mkdir(parents=True)
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    (folder / "golden.yaml").write_text("old\n")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    git(tmp_path, "checkout", "--quiet", "-b", "mine")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "mine")
    git(tmp_path, "checkout", "--quiet", "main")
    (folder / "golden.yaml").write_text("theirs\n")
    git(tmp_path, "commit", "--quiet", "--all", "--message", "theirs")
    git(tmp_path, "checkout", "--quiet", "mine")
    return folder


def test_it_is_where_the_branch_left_so_what_others_did_since_is_no_change(program: Path) -> None:
    found = base(program, "main")
    assert found.commit == git(program, "rev-parse", "HEAD^")
    assert found.difference("golden.yaml") == ""


def test_what_is_not_committed_yet_differs_too(program: Path) -> None:
    (program / "golden.yaml").write_text("new\n")
    assert "-old\n+new\n" in base(program, "main").difference("golden.yaml")


def test_the_copy_is_the_programs_folder_as_it_was_under_its_name(program: Path) -> None:
    (program / "golden.yaml").write_text("new\n")
    (program / "scratch").write_text("mine\n")
    with base(program, "main").copy() as folder:
        assert folder.name == "shop"
        assert [(each.name, each.read_text()) for each in folder.iterdir()] == [("golden.yaml", "old\n")]
    assert not folder.exists()


def test_a_program_at_the_top_of_its_repository_is_copied_whole(program: Path) -> None:
    with base(program.parents[1], "main").copy() as folder:
        assert (folder / "programs" / "shop" / "golden.yaml").is_file()


def test_what_git_does_not_know_is_told_in_its_words(program: Path) -> None:
    with pytest.raises(NoBase, match="Not a valid object name nowhere"):
        base(program, "nowhere")
    git(program, "checkout", "--quiet", "--orphan", "alone")
    git(program, "commit", "--quiet", "--allow-empty", "--message", "alone")
    with pytest.raises(NoBase, match="merge-base main HEAD"):
        base(program, "main")
