"""Sources of Workflows: YAML that is a workflow. The laptop compiles one in full; here it has the shape of one.

https://cloud.google.com/workflows/docs/reference/syntax
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from policy.subject import Resource, resource_policy

_MOST_BYTES = 128 * 1024  # https://cloud.google.com/workflows/quotas
# What a step may be, and what may stand beside it.
_STEPS = {
    "assign": {"next"},
    "call": {"args", "result", "next"},
    "switch": {"next"},
    "for": {"next"},
    "parallel": {"next"},
    "try": {"retry", "except", "next"},
    "steps": {"next"},
    "raise": {"next"},
    "return": {"next"},
    "next": set(),
}
_SIGNALS = ("end", "break", "continue")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast


@resource_policy("workflows.Workflow", source="https://cloud.google.com/workflows/docs/reference/syntax")
def workflow_sources(workflow: Resource) -> Iterator[str]:
    """A source is YAML with a main workflow, whose steps are steps, and go on to steps that there are."""
    for text in workflow.at("sourceContents"):
        if len(text.encode()) > _MOST_BYTES:
            yield f"the source has over {_MOST_BYTES // 1024} KB: split the workflow"
        try:
            source = yaml.load(text, _Loader)  # noqa: S506 - it is a safe loader
        except yaml.YAMLError as error:
            yield f"the source is no YAML: {' '.join(str(error).split())}"
            return
        yield from _wrong(source)


def _wrong(source: Any) -> Iterator[str]:
    workflows = {"main": {"steps": source}} if isinstance(source, list) else source
    if not isinstance(workflows, Mapping) or "main" not in workflows:
        yield "the source has no main workflow: write `main:` with `steps:`"
        return
    for name, workflow in workflows.items():
        if (
            not isinstance(workflow, Mapping)
            or not workflow.keys() <= {"params", "steps"}
            or "steps" not in workflow
        ):
            yield f"the workflow {name} is no map of steps and params: write `{name}:` with `steps:`"
        else:
            yield from _wrong_steps(workflow["steps"], name, frozenset(), frozenset(workflows))


def _wrong_steps(steps: Any, where: str, around: frozenset[str], workflows: frozenset[str]) -> Iterator[str]:
    """What is wrong in a list of steps, from which one may go on to each of these and of those around them."""
    if not isinstance(steps, list) or not steps:
        yield f"{where} has no list of steps: write `- NAME:` and the step below it"
        return
    named = [step for step in steps if isinstance(step, Mapping) and len(step) == 1]
    if len(named) != len(steps):
        yield f"{where} has a step that is not one name with a map below it: look at its indentation"
    reachable = around | {str(name) for step in named for name in step}
    for step in named:
        ((name, body),) = step.items()
        yield from _wrong_step(body, f"{where}.{name}", reachable, workflows, frozenset())


def _wrong_step(
    body: Any, where: str, reachable: frozenset[str], workflows: frozenset[str], beside: frozenset[str]
) -> Iterator[str]:
    if not isinstance(body, Mapping):
        yield f"{where} is {body!r}: a step is a map of call, assign, switch, return or the like"
        return
    kind = next((key for key in _STEPS if key in body), None)
    if kind is None:
        told = ", ".join(map(str, body)) or "nothing"
        yield f"{where} has {told}, which makes no step: take one of {', '.join(_STEPS)}"
        return
    for key in body.keys() - beside - _STEPS[kind] - {kind}:
        yield f"{where} has {key} beside {kind}, which takes {', '.join(sorted(_STEPS[kind])) or 'nothing'}"
    following = body.get("next")
    if following is not None and str(following) not in reachable | set(_SIGNALS):
        yield f"{where} goes on to {following}, and there is no such step"
    callee = body.get("call")
    if isinstance(callee, str) and "." not in callee and callee not in workflows:
        yield f"{where} calls {callee}, and there is no such workflow"
    for case in body["switch"] if isinstance(body.get("switch"), list) else ():
        if not isinstance(case, Mapping) or "condition" not in case:
            yield f"{where} has a case without condition"
        else:
            yield from _wrong_step(case, where, reachable, workflows, frozenset({"condition"}))
    for steps, inner in _nested(body, reachable):
        yield from _wrong_steps(steps, where, inner, workflows)


def _nested(body: Mapping[str, Any], reachable: frozenset[str]) -> Iterator[tuple[Any, frozenset[str]]]:
    """The lists of steps within a step, and where each may go on to: out of a loop or a branch to nowhere."""
    if "steps" in body:
        yield body["steps"], reachable
    for key in ("try", "except"):
        part = body.get(key)
        if isinstance(part, Mapping) and "steps" in part:
            yield part["steps"], reachable
    parallel = body.get("parallel")
    loops = [body.get("for"), parallel.get("for") if isinstance(parallel, Mapping) else None]
    for loop in loops:
        if isinstance(loop, Mapping):
            yield loop.get("steps"), frozenset()
    for branch in (parallel.get("branches") or ()) if isinstance(parallel, Mapping) else ():
        for part in branch.values() if isinstance(branch, Mapping) else ():
            yield part.get("steps") if isinstance(part, Mapping) else None, frozenset()
