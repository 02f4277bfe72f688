"""Compiles the steps of a routine, and finds on the way everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

from omnipipe.laptop.services.workflows.interpreter import steps as run
from omnipipe.laptop.services.workflows.interpreter.declarations import Declarations, named
from omnipipe.laptop.services.workflows.interpreter.errors import Problem, failure
from omnipipe.laptop.services.workflows.interpreter.execution import MAX_STEPS, Frame
from omnipipe.laptop.services.workflows.interpreter.functions import Parameter
from omnipipe.laptop.services.workflows.interpreter.library import Library
from omnipipe.laptop.services.workflows.interpreter.places import Action, Place, PlaceCompiler
from omnipipe.laptop.services.workflows.interpreter.routines import ABSENT, Routine
from omnipipe.laptop.services.workflows.interpreter.scopes import Scope, UnknownVariable
from omnipipe.laptop.services.workflows.interpreter.source import Mapping, Node, Sequence
from omnipipe.laptop.services.workflows.interpreter.syntax import is_expression

# https://cloud.google.com/workflows/quotas
MAX_ASSIGNMENTS = 50
MAX_CONDITIONS = 50
MAX_BRANCHES = 10
MAX_PARALLEL_DEPTH = 2

_KEYS = {
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


class RoutineCompiler(PlaceCompiler):
    """Compiles one routine of a source, adding what is wrong with it to `problems`.

    What Google may take and this machine cannot do goes to `warnings`.
    """

    def __init__(
        self, routine: Routine, node: Mapping, filename: str, problems: list[Problem], warnings: list[Problem]
    ):
        super().__init__(filename, problems, warnings)
        self.routine = routine
        self.node = node
        self.scope = Scope()
        self.declarations = Declarations()
        self.names: dict[str, int] = {}

    # --- the routine itself ---

    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters as callers see them; declares their variables."""
        found = [Parameter(name, default is None, ABSENT) for name, default in self._parameter_nodes()]
        for parameter in found:
            self.scope.declare(parameter.name)
        return tuple(found)

    def _parameter_nodes(self) -> list[tuple[str, Node | None]]:
        node = self.node.value.get("params")
        found: list[tuple[str, Node | None]] = []
        for item in node.value if isinstance(node, Sequence) else []:
            if isinstance(item, Mapping) and len(item.value) == 1:
                found.extend(item.value.items())
            elif isinstance(item.value, str):
                found.append((item.value, None))
        return found

    def compile(self, library: Library) -> None:
        """Compile parameters and steps."""
        self.library = library
        steps = self.node.value.get("steps")
        place = Place(self.scope)
        for key in self.node.value.keys() - {"params", "steps"}:
            self.refuse(
                place, self.node.key_lines[key], f"unknown key '{key}' of a workflow — it takes params and steps"
            )
        self._check_parameters(place)
        self.declarations.steps(steps, self.scope)
        for name, default in self._parameter_nodes():
            compiled = self.template(place, default) if default else None
            self.routine.parameters.append((name, compiled))
        if steps is None:
            self.refuse(
                place, self.node.line, f"the workflow '{self.routine.name}' has no steps — give it 'steps:'"
            )
        else:
            self.block(place, steps, self.routine.body)

    def _check_parameters(self, place: Place) -> None:
        node = self.node.value.get("params")
        if node is None:
            return
        names = self._parameter_nodes()
        if not isinstance(node, Sequence) or len(names) != len(node.value):
            self.refuse(place, node.line, "params must be a list of names — write 'params: [args]'")
        for name, _ in names:
            self.variable(place, Node(name, node.line))
        if self.routine.name == "main" and len(names) > 1:
            self.refuse(place, node.line, "main takes one parameter, the runtime arguments as one map — keep one")

    # --- steps ---

    def block(self, place: Place, node: Node | None, block: run.Block | None = None) -> run.Block:
        """Compile a list of steps."""
        block = run.Block() if block is None else block
        if not isinstance(node, Sequence) or not node.value:
            line = node.line if node else self.node.line
            self.refuse(place, line, "steps must be a list of named steps — write '- name:' and the step under it")
            return block
        names = {name: index for index, (name, _) in enumerate(named(node))}
        inner = replace(place, lists=(*place.lists, (block, names)))
        for item in node.value:
            if not isinstance(item, Mapping) or len(item.value) != 1:
                self.refuse(place, item.line, "a step is one name with a map under it — check the indentation")
                continue
            [(name, body)] = item.value.items()
            block.steps.append(self.step(replace(inner, step=name), name, body, item.key_lines[name]))
        return block

    def step(self, place: Place, name: str, body: Node, line: int) -> run.Step:
        if name in self.names:
            self.refuse(
                place,
                line,
                f"the name is taken by the step in line {self.names[name]} — names are unique in a workflow",
            )
        self.names.setdefault(name, line)
        action, following = self.body(place, body, set())
        return run.Step(name, line, self.routine.name, action, following)

    def body(self, place: Place, node: Node, extra: set[str]) -> tuple[Action, Any]:
        """Compile what a step does and where it goes next. `extra` are keys the caller handles."""
        if not isinstance(node, Mapping):
            self.refuse(
                place, node.line, "a step must be a map — give it call, assign, switch, return or the like"
            )
            return _nothing, None
        parts = node.value
        kind = next((key for key in _KEYS if key in parts), None)
        if kind is None:
            names = ", ".join(_KEYS)
            unknown = ", ".join(f"'{key}'" for key in parts.keys() - extra)
            self.refuse(place, node.line, f"{unknown or 'nothing'} makes no step — use one of {names}")
            return _nothing, None
        for key in parts.keys() - extra - {kind} - _KEYS[kind]:
            allowed = ", ".join([kind, *sorted(_KEYS[kind])])
            message = f"unknown key '{key}' in a step with {kind} — it takes {allowed}"
            self.refuse(place, node.key_lines[key], message)
        action = getattr(self, f"_{kind}")(place, node) if kind != "next" else _nothing
        return action, self.next(place, parts["next"]) if "next" in parts else None

    def next(self, place: Place, node: Node) -> Any:
        """The signal for `next`."""
        if isinstance(node, (Mapping, Sequence)):
            self.refuse(place, node.line, "next must be the name of one step — use switch to choose between steps")
            return None
        name = str(node.value)  # a step may have a number as its name
        if name == "end":
            if place.branch:
                self.refuse(place, node.line, "next: end cannot leave a parallel step — use raise, or let it end")
            return run.Return(None)
        if name in ("break", "continue"):
            if place.loop is None or (name == "break" and place.loop == "parallel"):
                self.refuse(
                    place, node.line, f"next: {name} has no loop to act on — use it within the steps of a for"
                )
            return run.BREAK if name == "break" else run.CONTINUE
        for block, names in reversed(place.lists):
            if name in names:
                return run.Jump(block, names[name])
        self.refuse(
            place,
            node.line,
            f"next: there is no step '{name}' to jump to — name one of this list or one around it",
        )
        return None

    def _assign(self, place: Place, node: Mapping) -> Action:
        assignments = node.value["assign"]
        pairs: list[tuple[run.Target, Any, bool]] = []
        if not isinstance(assignments, Sequence):
            self.refuse(place, assignments.line, "assign must be a list — write '- variable: value'")
            return _nothing
        if len(assignments.value) > MAX_ASSIGNMENTS:
            self.refuse(place, assignments.line, f"over {MAX_ASSIGNMENTS} assignments in one step — split it")
        for item in assignments.value:
            if not isinstance(item, Mapping) or len(item.value) != 1:
                self.refuse(place, item.line, "an assignment is one 'variable: value' — check the indentation")
                continue
            [(text, value)] = item.value.items()
            target, atomic = self.target(place, text, item.key_lines[text])
            compiled = self.template(place, value)
            pairs.append((target, compiled.code, atomic and not compiled.calls_subworkflow))
        return run.Assign(pairs)

    def _call(self, place: Place, node: Mapping) -> Action:
        callee, arguments = node.value["call"], node.value.get("args")
        result = node.value.get("result")
        target = self.target(place, result.value, result.line)[0] if result else None
        function = self.library.function(callee.value) if isinstance(callee.value, str) else None
        if function is None:
            self.refuse(place, callee.line, self.library.unknown(str(callee.value)))
        elif function.missing:
            self.warn(place, callee.line, function.missing)
        line = arguments.line if arguments else callee.line
        if isinstance(arguments, Sequence):
            codes = [self.template(place, value).code for value in arguments.value]
            if function and (problem := function.wrong_count(len(codes))):
                self.refuse(place, line, problem)
            return run.CallStep(function, codes, target) if function else _nothing
        if isinstance(arguments, Mapping) or arguments is None or arguments.value is None:
            by_name = arguments.value if isinstance(arguments, Mapping) else {}
            named_codes = {name: self.template(place, value).code for name, value in by_name.items()}
            if function is None:
                return _nothing
            for problem in function.wrong_names(by_name):
                self.refuse(place, line, problem)
            for name in by_name.keys() & set(function.unavailable):
                self.warn(place, line, f"{function.name}: there is no {name} on this machine — leave it out")
            ordered = [named_codes.get(item.name) or _constant(item.default) for item in function.parameters]
            return run.CallStep(function, ordered, target)
        if not is_expression(arguments.value):
            self.refuse(place, line, "args must be a map of names or a list of positions — write 'name: value'")
        code = self.template(place, arguments).code
        return run.ComputedCallStep(function, code, target) if function else _nothing

    def _switch(self, place: Place, node: Mapping) -> Action:
        cases = node.value["switch"]
        compiled: list[tuple[Action, Action]] = []
        if not isinstance(cases, Sequence) or not cases.value:
            self.refuse(place, cases.line, "switch must be a list — write '- condition: ...' and what to do")
            return _nothing
        if len(cases.value) > MAX_CONDITIONS:
            self.refuse(place, cases.line, f"over {MAX_CONDITIONS} conditions in one switch — split it")
        for case in cases.value:
            if not isinstance(case, Mapping) or "condition" not in case.value:
                self.refuse(place, case.line, "a case of switch needs a condition — write '- condition: ${...}'")
                continue
            condition = self.template(place, case.value["condition"]).code
            action, following = self.body(place, case, {"condition"})
            compiled.append((condition, _then(action, following)))
        return run.Switch(compiled)

    def _steps(self, place: Place, node: Mapping) -> Action:
        return self.block(place, node.value["steps"]).run

    def _return(self, place: Place, node: Mapping) -> Action:
        if place.branch:
            self.refuse(
                place,
                node.key_lines["return"],
                "return cannot leave a parallel step — assign to a shared variable",
            )
        value = self.template(place, node.value["return"]).code
        return lambda frame: run.Return(value(frame))

    def _raise(self, place: Place, node: Mapping) -> Action:
        return run.Raise(self.template(place, node.value["raise"]).code)

    # --- loops, branches, errors ---

    def _items(self, place: Place, node: Mapping, what: str) -> run.Items:
        """Compile `in` or `range` of a loop."""
        keys = [key for key in ("in", "range") if key in node.value]
        if len(keys) != 1:
            self.refuse(place, node.line, f"{what} needs either 'in' or 'range' — give one of them")
            return run.Items(_nothing, False)
        items = node.value[keys[0]]
        if keys[0] == "range" and isinstance(items, Sequence) and len(items.value) != 2:
            self.refuse(place, items.line, "range is a list of the first and the last number — write [1, 10]")
        return run.Items(self.template(place, items).code, keys[0] == "range")

    def _loop(self, place: Place, node: Node, loop: str) -> tuple[Any, ...]:
        """Compile what a `for` and a parallel `for` have in common: items, slots and steps."""
        keys = {"value", "index", "in", "range", "steps"}
        parts = self.entries(place, node, "for", keys, {"value", "steps"})
        if not isinstance(node, Mapping) or "value" not in parts or "steps" not in parts:
            return run.Items(_nothing, False), "", None, run.Block(), Scope()
        items = self._items(place, node, "for")
        scope = self.declarations.scopes[node]
        value = scope.declare(self.variable(place, parts["value"]))
        index = scope.declare(self.variable(place, parts["index"])) if "index" in parts else None
        inner = replace(place, scope=scope, lists=(), loop=loop, branch=place.branch or loop == "parallel")
        return items, value, index, self.block(inner, parts["steps"]), scope

    def _for(self, place: Place, node: Mapping) -> Action:
        items, value, index, body, scope = self._loop(place, node.value["for"], "for")
        return run.For(items, value, index, body, list(scope.slots.values()))

    def _parallel(self, place: Place, node: Mapping) -> Action:
        keys = {"shared", "branches", "for", "concurrency_limit", "exception_policy"}
        parts = self.entries(place, node.value["parallel"], "parallel", keys, set())
        line = node.value["parallel"].line
        if place.depth >= MAX_PARALLEL_DEPTH:
            self.refuse(place, line, f"parallel steps nest at most {MAX_PARALLEL_DEPTH} deep — move one out")
        if ("branches" in parts) == ("for" in parts):
            self.refuse(place, line, "parallel needs either 'branches' or 'for' — give one of them")
            return _nothing
        policy = parts.get("exception_policy")
        if policy and policy.value != "continueAll":
            self.refuse(place, policy.line, "exception_policy can only be continueAll — remove it or set that")
        self._check_shared(place, parts.get("shared"))
        limit = self.template(place, parts["concurrency_limit"]).code if "concurrency_limit" in parts else None
        inner = replace(place, lists=(), loop=None, branch=True, depth=place.depth + 1)
        if "for" in parts:
            items, value, index, body, _ = self._loop(inner, parts["for"], "parallel")
            return run.Parallel(_iterations(items, value, index, body), limit)
        branches = self._branches(inner, parts["branches"])
        return run.Parallel(lambda frame: branches, limit)

    def _check_shared(self, place: Place, node: Node | None) -> None:
        if node is None:
            return
        if not isinstance(node, Sequence):
            self.refuse(place, node.line, "shared must be a list of variables — write 'shared: [x]'")
            return
        for item in node.value:
            try:
                place.scope.read(self.variable(place, item))
            except UnknownVariable:
                message = (
                    f"the shared variable '{item.value}' does not exist here — assign it before the parallel step"
                )
                self.refuse(place, item.line, message)

    def _branches(self, place: Place, node: Node) -> list[run.Branch]:
        if not isinstance(node, Sequence) or not node.value:
            self.refuse(
                place, node.line, "branches must be a list of named branches — write '- name:' and its steps"
            )
            return []
        if len(node.value) > MAX_BRANCHES:
            self.refuse(place, node.line, f"over {MAX_BRANCHES} branches in one step — use a parallel for")
        found = []
        for name, branch in named(node):
            parts = self.entries(place, branch, f"branch '{name}'", {"steps"}, {"steps"})
            if "steps" in parts:
                inner = replace(place, scope=self.declarations.scopes[branch])
                found.append(run.Branch(name, self.block(inner, parts["steps"]), {}))
        return found

    def _try(self, place: Place, node: Mapping) -> Action:
        if "retry" not in node.value and "except" not in node.value:
            self.refuse(place, node.line, "try needs 'retry' or 'except' — add one")
        body = node.value["try"]
        if isinstance(body, Mapping) and "next" in body.value:
            self.refuse(place, body.key_lines["next"], "next cannot stand in a try — write it beside the try")
        action, following = self.body(place, body, {"next"})
        retry = self._retry(place, node.value["retry"]) if "retry" in node.value else None
        handler = self._except(place, node.value["except"]) if "except" in node.value else None
        return run.Try(_then(action, following), retry, handler)

    def _retry(self, place: Place, node: Node) -> run.Retry:
        if isinstance(node, Mapping):
            keys = {"predicate", "max_retries", "backoff"}
            parts = self.entries(place, node, "retry", keys, set())
            backoff = parts.get("backoff")
            if isinstance(backoff, Mapping):
                self.entries(place, backoff, "backoff", {"initial_delay", "max_delay", "multiplier"}, set())
        return run.Retry(self.template(place, node).code)

    def _except(self, place: Place, node: Node) -> run.Except:
        if not isinstance(node, Mapping):
            self.refuse(place, node.line, "except must be a map — it takes as, and steps or what one step takes")
            return run.Except(None, _nothing, [])
        scope = self.declarations.scopes[node]
        slot = scope.declare(self.variable(place, node.value["as"])) if "as" in node.value else None
        action, following = _nothing, None
        if node.value.keys() - {"as"}:  # without anything else it only catches
            action, following = self.body(replace(place, scope=scope), node, {"as"})
        return run.Except(slot, _then(action, following), list(scope.slots.values()))


def _nothing(frame: Frame) -> None:
    """Do nothing: a step with only `next`, or one that was refused."""


def _constant(value: Any) -> Action:
    return lambda frame: value


def _then(action: Action, following: Any) -> Action:
    """Run an action; where it has no signal of its own, go to `following`."""
    if following is None:
        return action

    def both(frame: Frame) -> Any:
        signal = action(frame)
        return following if signal is None else signal

    return both


def _iterations(
    items: run.Items, value: str, index: str | None, body: run.Block
) -> Callable[[Frame], list[run.Branch]]:
    def branches(frame: Frame) -> list[run.Branch]:
        found = list(islice(items.of(frame), MAX_STEPS + 1))
        if len(found) > MAX_STEPS:  # each takes a step at least
            raise failure("ResourceLimitError", f"the parallel loop has over {MAX_STEPS} iterations")
        return [
            run.Branch(str(number), body, {value: item, index: number} if index else {value: item})
            for number, item in enumerate(found)
        ]

    return branches
