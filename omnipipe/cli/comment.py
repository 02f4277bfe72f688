"""`comment`: what a change does, as the comment of its pull request."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnipipe.cli.cloud import Program
from omnipipe.cli.console import fail, progress

if TYPE_CHECKING:
    from omnipipe.review.comment import Stack
    from omnipipe.review.models import Models
    from omnipipe.review.preview import Preview
    from omnipipe.review.repository import Base

# Where a program keeps what a stack is made of, and its dbt project with the packages of the job that runs it.
_GOLDEN = "tests/components/golden"
_DBT = "dbt"
_DBT_PACKAGES = "jobs/dbt/requirements.txt"


def comment(
    base: Annotated[
        str,
        typer.Option(metavar="COMMIT", help="Compare with where this branch left COMMIT, such as origin/main."),
    ] = "",
    preview: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STACK=FILE", help="What `pulumi preview --json` said of a deployed stack, as streamed events."
        ),
    ] = None,
    program: Program = None,
) -> None:
    """Print what a change does, as the Markdown of a pull request's comment: the worst first.

    With --base each stack is rehearsed: what is at COMMIT is deployed without Google, then this on top. It tells the
    golden files' difference and the changed dbt models, too. Exit code 1 tells that a stack could not be deployed.
    """
    from omnipipe.laptop.home import PROJECT_ROOT
    from omnipipe.review import comment, repository
    from omnipipe.review.models import DbtFailed, Models
    from omnipipe.review.preview import NoPreview
    from omnipipe.review.repository import NoBase

    folder = program.expanduser().resolve() if program else PROJECT_ROOT
    previews = dict(_file(each) for each in preview or ())
    if not (base or previews):
        fail("nothing to tell of: give --base COMMIT, or --preview STACK=FILE")
    try:
        told = {stack: _read(file) for stack, file in previews.items()}
        if base:
            start = repository.base(folder, base)
            stacks = sorted({file.name.split(".")[1] for file in folder.glob("Pulumi.*.yaml")} | told.keys())
            with start.copy() as before:
                review = comment.Review(
                    against=f"`{base}` at `{start.commit[:12]}`",
                    stacks=[_rehearsed(before, folder, stack, start, told.get(stack)) for stack in stacks],
                    models=_models(before, folder) if (folder / _DBT_PACKAGES).is_file() else Models(),
                    golden=start.difference(_GOLDEN),
                )
        else:
            review = comment.Review(stacks=[_deployed(stack, each) for stack, each in told.items()])
    except (NoBase, NoPreview, DbtFailed) as error:
        fail(str(error))
    typer.echo(comment.render(review), nl=False)
    if any(stack.stops for stack in review.stacks):
        raise typer.Exit(1)


def _file(given: str) -> tuple[str, Path]:
    stack, _, file = given.partition("=")
    if not (stack and file):
        fail(f"--preview {given}: write STACK=FILE, such as dev=preview.jsonl")
    return stack, Path(file)


def _read(file: Path) -> "Preview":
    from omnipipe.review import preview

    try:
        return preview.read(file.read_text().splitlines())
    except (OSError, preview.NoPreview) as error:
        fail(f"{file}: {error}")


def _deployed(stack: str, preview: "Preview") -> "Stack":
    from omnipipe.review.comment import Stack

    return Stack(stack, "Compared with what is deployed", preview)


def _rehearsed(before: Path, after: Path, stack: str, base: "Base", deployed: "Preview | None") -> "Stack":
    """A stack whose change is rehearsed; what is deployed, where that is known, says what would change."""
    from omnipipe.rehearsal.engine import installed
    from omnipipe.rehearsal.engine.installed import CannotRehearse
    from omnipipe.review.comment import Stack
    from omnipipe.review.rehearsed import rehearse

    try:
        found = installed.find(after)
        with progress(f"Rehearsing {stack}: what {base.ref} deploys, then this on top", quiet=False):
            done = rehearse(before, after, stack, found)
    except CannotRehearse as error:
        source = "Compared with what is deployed" if deployed else "What would change is not known"
        return Stack(stack, f"{source}. Not rehearsed: {error}", deployed)
    source = "what is deployed" if deployed else f"what `{base.ref}` deploys, in a rehearsal"
    rehearsal = f"the last step was `{done.step}`, after {done.seconds:.0f} s with {found.line}"
    return Stack(stack, f"Compared with {source}", deployed or done.preview, rehearsal, done.problems)


def _models(before: Path, after: Path) -> "Models":
    from omnipipe.laptop.environments import environment
    from omnipipe.review import models

    with progress("Comparing the dbt models", quiet=False):
        return models.changed(before / _DBT, after / _DBT, environment(after / _DBT_PACKAGES) / "bin" / "python")
