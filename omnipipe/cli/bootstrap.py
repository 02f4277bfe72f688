"""`bootstrap`: what must exist before a stack's first `pulumi up`, as commands, or done."""

import re
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from omnipipe.cli.cloud import Stack
from omnipipe.cli.console import called, progress, say

if TYPE_CHECKING:
    from stacks.foundation import Foundation

_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
_TOOLS = ("gcloud", "gh", "pulumi")


def bootstrap(
    project: Annotated[str, typer.Option(help="Id of the Google project that the stack gets for itself.")],
    repo: Annotated[str, typer.Option(metavar="OWNER/NAME", help="The repository whose workflows deploy it.")],
    stack: Stack = "dev",
    apply: Annotated[
        bool, typer.Option("--apply", help="Run the commands, and say what was there already.")
    ] = False,
) -> None:
    """Print the commands that make what must exist before the first `pulumi up`; with --apply, run them.

    The bucket of the state, the key of its secrets, the first APIs, the accounts of GitHub's runs with their rights on
    both, the stack, and the repository's variables. Each looks first: both can be done again without harm.
    """
    from omnipipe.laptop.errors import LaptopError
    from omnipipe.setup.script import script
    from omnipipe.setup.steps import environment, lookups, steps

    if not _REPOSITORY.fullmatch(repo):
        raise LaptopError(f"--repo is {repo!r}: write OWNER/NAME, as on GitHub")
    foundation = _foundation(project, stack)
    if apply:
        _apply(foundation, repo)
    else:
        parts = steps(foundation, repo), lookups(foundation, repo), environment(foundation)
        typer.echo(script(*parts), nl=False)


def _foundation(project: str, stack: str) -> "Foundation":
    """The foundation of a stack, which the stack's file says where it is. Raises LaptopError."""
    from omnipipe.laptop.errors import LaptopError
    from omnipipe.laptop.home import PROJECT_ROOT
    from omnipipe.laptop.project import Project
    from stacks.foundation import Foundation

    config = Project.load(PROJECT_ROOT, stack).config
    try:
        return Foundation(stack, project, config.get("gcp:region", ""), config["omnipipe:githubEnvironment"])
    except ValueError as error:
        raise LaptopError(str(error)) from error


def _apply(foundation: "Foundation", repository: str) -> None:
    from omnipipe.laptop.errors import LaptopError
    from omnipipe.laptop.home import PROJECT_ROOT
    from omnipipe.setup import tools
    from omnipipe.setup.apply import Applier, CannotApply
    from omnipipe.setup.steps import environment, lookups, steps

    if missing := tools.missing(_TOOLS):
        raise LaptopError("\n".join(missing))
    made = 0
    with progress("Looking what is there", quiet=False) as line:

        def waits(what: str) -> None:
            say(f"[dim]… {escape(what)}: Google does not know everywhere yet what was just made; once more[/]")

        applier = Applier(PROJECT_ROOT, environment(foundation), waits=waits)
        all_steps = steps(foundation, repository)
        following = [*(step.what for step in all_steps[1:]), ""]
        try:
            for done, after in zip(
                applier.apply(all_steps, lookups(foundation, repository)), following, strict=True
            ):
                said = "[green]+[/] made" if done.made else "[dim]✓ there already[/]"
                say(f"{said}: {escape(done.step.what)}")
                made += done.made
                line.update(escape(after))
        except CannotApply as error:
            raise LaptopError(str(error)) from error
    _say_what_follows(foundation, made)


def _say_what_follows(foundation: "Foundation", made: int) -> None:
    file = f"Pulumi.{foundation.stack}.yaml"
    say(f"Nothing was missing of {foundation.stack}." if not made else f"Made {made}. Commit {file}, and then:")
    say(f"  export PULUMI_BACKEND_URL={foundation.backend}")
    say(f"  {called(f'doctor --stack {foundation.stack}')}")
    say(f"  pulumi up --stack {foundation.stack}")
