"""`seed` and `traffic`: what the operational database is filled with, and what goes on in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from omnipipe.cli.console import AtGoogle, called, print_json, progress, say, say_here

DEFAULT_TRIPS = 100_000
DEFAULT_TRAFFIC_SECONDS = 10.0
DEFAULT_TRAFFIC_RATE = 50.0


def seed(
    trips: Annotated[int, typer.Option(help="How many trips; a tenth as many customers.", min=1)] = DEFAULT_TRIPS,
    stack: AtGoogle = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Fill the database with simulated customers and trips of the last four weeks.

    The same number of trips gives the same rows; seeding again changes nothing.
    """
    if stack is not None:
        return _at_google(stack, {"ACTION": "seed", "TRIPS": str(trips)}, as_json=as_json)
    _say_here(quiet=as_json)
    done = fill(trips, quiet=as_json)
    if as_json:
        print_json(done)
    else:
        say(f"{done['message']}. Next: [bold]{called('run')}[/]")
    return None


def traffic(
    seconds: Annotated[float, typer.Option(help="How long, in seconds.", min=0.1)] = DEFAULT_TRAFFIC_SECONDS,
    rate: Annotated[float, typer.Option(help="Changes a second.", min=0.1)] = DEFAULT_TRAFFIC_RATE,
    stack: AtGoogle = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Go on with the business: trips and customers come, change and go; now and then a customer's key changes."""
    if stack is not None:
        environment = {"ACTION": "traffic", "SECONDS": str(seconds), "RATE": str(rate)}
        return _at_google(stack, environment, as_json=as_json)
    from seed.traffic import in_words

    _say_here(quiet=as_json)
    done = go_on(seconds, rate, quiet=as_json)
    if as_json:
        print_json(done)
    else:
        say(f"{sum(done.values()):,} rows changed: {in_words(done)}. Next: [bold]{called('run')}[/]")
    return None


def _say_here(*, quiet: bool) -> None:
    from omnipipe.laptop.home import require_current

    say_here(require_current().stack, quiet=quiet)


def _at_google(name: str, environment: dict[str, str], *, as_json: bool) -> None:
    """The same by the job that plays the business inside of the stack's network."""
    from omnipipe.cli import at_google

    said = at_google.business(at_google.stack_of(name, quiet=as_json), environment, quiet=as_json)
    if as_json:
        print_json({"said": said})
    else:
        at_google.say_business(said, f"run --stack {name}")


def connection_string() -> str:
    """How the application that owns customers and trips connects to its database. Raises LaptopError."""
    from omnipipe.laptop import access

    cloud = access.running_cloud()
    return access.login(cloud, **cloud.declaration.of_command("seed", "job", "user", "password"))


def fill(trips: int, *, quiet: bool = False) -> dict[str, Any]:
    """Load the generated customers and trips; returns what is there and how long it took."""
    from seed.generator import Plan
    from seed.load import load

    plan = Plan(trips=trips, end=datetime.now(UTC).date())
    database = connection_string()
    with _told_in_one_line(), progress("Generating trips", quiet=quiet) as line:

        def report(table: str, rows: int) -> None:
            line.update(f"Loading {table}: {rows:,} rows")

        return vars(load(database, plan, report))


def go_on(seconds: float, rate: float, *, quiet: bool = False) -> dict[str, int]:
    """Make traffic; returns the changed rows by kind of change."""
    from seed.traffic import run

    database = connection_string()
    with _told_in_one_line(), progress(f"Business for {seconds:g} s", quiet=quiet) as line:

        def report(rows: int) -> None:
            line.update(f"Business for {seconds:g} s: {rows:,} rows changed")

        return run(database, seconds, rate, report=report)


@contextmanager
def _told_in_one_line() -> Iterator[None]:
    import psycopg

    from omnipipe.laptop import access
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.errors import LaptopError
    from seed.load import SeedRefused
    from seed.traffic import NoCustomers

    try:
        yield
    except (SeedRefused, NoCustomers) as error:
        raise LaptopError(str(error)) from error
    except psycopg.Error as error:
        access.require_whole(Cloud.current())  # that a server is gone says more than how its connection ended
        reason = " ".join(str(error).split())
        raise LaptopError(
            f"the database refused: {reason}. `omnipipe up` brings it and its tables back"
        ) from error
