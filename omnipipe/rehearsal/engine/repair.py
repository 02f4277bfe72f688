"""What an answer that never arrived leaves at Google, outside of Pulumi's state, and the command that puts it right."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.engine.engine import Engine, Outcome, Registered
from omnipipe.rehearsal.faults import Fault
from omnipipe.rehearsal.journal import Exchange
from omnipipe.rehearsal.store import Record


@dataclass(frozen=True)
class Import:
    """A resource that is there and that the next `up` would make again: it is taken into the state.

    https://www.pulumi.com/docs/iac/cli/commands/pulumi_import/
    """

    arguments: tuple[str, ...]

    @property
    def command(self) -> str:
        """As it is typed."""
        return shlex.join(["pulumi", *self.arguments])

    def carry_out(self, engine: Engine, plane: ControlPlane) -> None:
        """Do it. Raises CommandError if the engine cannot."""
        engine.command(*self.arguments, "--yes", "--skip-preview")


@dataclass(frozen=True)
class Deletion:
    """A resource that the next `up` makes a second time, because Google gives each an id of its own: one must go."""

    method: str
    host: str
    path: str

    @property
    def command(self) -> str:
        """As it is typed."""
        address = f"https://{self.host}.googleapis.com{self.path}"
        return f'curl -X {self.method} -H "Authorization: Bearer $(gcloud auth print-access-token)" {address}'

    def carry_out(self, engine: Engine, plane: ControlPlane) -> None:
        """Do it."""
        plane.answer(self.method, self.host, self.path, {}, {} if self.method == "POST" else None)


Repair = Import | Deletion


def imports(outcome: Outcome, exchanges: Sequence[Exchange], plane: ControlPlane) -> list[Repair]:
    """Repairs for the failures of an `up` that met what was there already."""
    conflicts = [
        each for each in exchanges if each.status == 409 and not each.fault and each.method in ("POST", "PUT")
    ]
    found: list[Repair] = []
    for failure in outcome.failures:
        made = outcome.registered.get(failure.urn)
        met = next((each for each in reversed(conflicts) if each.message in failure.message), None)
        record = _in_the_way(met, plane) if met else _found_by_the_provider(failure.message, plane)
        if made and record and (repair := _import(failure.urn, made, record)) not in found:
            found.append(repair)
    return found


def _in_the_way(exchange: Exchange, plane: ControlPlane) -> Record | None:
    """The resource that a request wanted to make and that was there."""
    path, _, query = exchange.path.partition("?")
    named = {*re.split(r"[&=]", query), *_texts(exchange.body), path.rpartition("/")[2]}
    return next(
        (
            each
            for each in plane.store
            if each.host == exchange.host
            and (path.endswith(f"/{each.place}") or path.endswith(f"/{each.name}"))
            and ({each.id, each.id.partition("@")[0], each.name} & named)
        ),
        None,
    )


def _found_by_the_provider(message: str, plane: ControlPlane) -> Record | None:
    """The resource that the provider has looked for before it would make it, as it does with custom roles."""
    if not message.endswith("already exists and must be imported"):
        return None
    return next((each for each in plane.store if each.name in message.split()), None)


def _texts(body: Any) -> Iterator[str]:
    if isinstance(body, Mapping):
        for each in body.values():
            yield from _texts(each)
    elif isinstance(body, str):
        yield body


def _import(urn: str, made: Registered, record: Record) -> Import:
    options = ["--protect=false", "--generate-code=false"]
    for option, whose in (("parent", made.parent), ("provider", made.provider.rpartition("::")[0])):
        name = whose.rpartition("::")[2]
        if whose and not name.startswith("default") and "pulumi:pulumi:Stack" not in whose.rpartition("::")[0]:
            options += [f"--{option}", f"{name.replace('-', '_')}={whose}"]
    name = urn.rpartition("::")[2]
    return Import(("import", made.type, name, _import_id(made.type, record), *options))


def _import_id(type_: str, record: Record) -> str:
    """The id by which the provider imports a resource: its name at Google, but for a few.

    "Import" on the page of each type: https://www.pulumi.com/registry/packages/gcp/api-docs/.
    """
    parts = record.name.split("/")
    if record.host == "storage":
        return record.id
    if type_ == "gcp:sql/user:User":
        return f"{parts[1]}/{parts[3]}/{record.id}"
    return record.name


def orphans(exchanges: Sequence[Exchange], state: Sequence[Mapping[str, Any]]) -> list[Repair]:
    """Repairs for what was made by a request whose answer got lost, and is not in the state of a later `up`."""
    known = json.dumps(state)
    found: list[Repair] = []
    for each in exchanges:
        if each.fault not in (Fault.LOST, Fault.FAILED) or each.method != "POST" or each.status != 200:
            continue
        name = each.answer.get("name", "") if isinstance(each.answer, dict) else ""
        path = each.path.partition("?")[0]
        if "/" not in name or "/operations/" in name or name in known:
            continue
        if path.endswith(":addVersion"):
            found.append(Deletion("POST", each.host, f"{path.partition('/projects/')[0]}/{name}:destroy"))
        elif ":" not in path:
            found.append(Deletion("DELETE", each.host, f"{path}/{name.rpartition('/')[2]}"))
    return found
