"""The compiled steps of a workflow, and how each runs.

`run` of a step returns None to go on, or a signal: a `Jump`, `Return`, `BREAK` or `CONTINUE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.errors import HOST_ERRORS, WorkflowError, failure, from_host
from omnipipe.laptop.services.workflows.interpreter.execution import Frame
from omnipipe.laptop.services.workflows.interpreter.functions import Function
from omnipipe.laptop.services.workflows.interpreter.operators import boolean, list_index, member
from omnipipe.laptop.services.workflows.interpreter.values import a_type, copy_value, is_number, size_of, type_name

Code = Callable[[Frame], Any]
MAX_CONCURRENCY = 20
"""Branches and iterations that run at a time (https://cloud.google.com/workflows/quotas)."""


@dataclass(eq=False)
class Block:
    """A list of steps that run one after the other."""

    steps: list[Step] = field(default_factory=list)

    def run(self, frame: Frame) -> Any:
        """Run the steps, following jumps within this list; a signal for a list further out is returned."""
        tick = frame.execution.tick
        steps, index, end = self.steps, 0, len(self.steps)
        while index < end:
            tick()
            signal = steps[index].run(frame)
            if signal is None:
                index += 1
            elif type(signal) is Jump and signal.block is self:
                index = signal.index
            else:
                return signal
        return None


@dataclass(eq=False)
class Jump:
    """`next: STEP`: go to a step of an enclosing list. Filled in when the list is complete."""

    block: Block | None = None
    index: int = 0


@dataclass(eq=False)
class Return:
    """Leave the routine with a value."""

    value: Any


BREAK, CONTINUE = object(), object()


@dataclass(eq=False)
class Step:
    """A named step: what it does, then where it goes."""

    name: str
    line: int
    routine: str
    action: Callable[[Frame], Any]
    next: Any = None

    def run(self, frame: Frame) -> Any:
        """Do the step; an error gets the place where it first happened."""
        notify = frame.execution.on_step if self.routine == "main" else None
        if notify:
            notify(self.name, "enter")
        try:
            signal = self.action(frame)
        except (WorkflowError, *HOST_ERRORS) as error:
            if notify:
                notify(self.name, "fail")
            if not isinstance(error, WorkflowError):
                error = from_host(error)
            if error.context is None:
                error.context = f'in step "{self.name}", routine "{self.routine}", line: {self.line}'
            raise error from None
        if notify:
            notify(self.name, "leave")
        return self.next if signal is None else signal


@dataclass(eq=False)
class Target:
    """The left side of an assignment: a variable, then keys and indexes into its value."""

    slot: str
    branches: int
    path: list[Code]

    def store(self, frame: Frame, value: Any) -> None:
        """Assign. Every map and list on the way must exist; the last key of a map may be new."""
        owner = frame.outward(self.branches)
        if not self.path:
            owner.store(self.slot, value)
            return
        keys = [key(frame) for key in self.path]
        execution = frame.execution
        with execution.lock:
            # other branches may be reading a shared value: what they hold must not change under them
            whole = _copy_along(owner[self.slot], keys[:-1]) if self.branches else owner[self.slot]
            place = whole
            for key in keys[:-1]:
                place = member(place, key)
            last = keys[-1]
            execution.charge(size_of(value) - _replaced_size(place, last))
            place[last] = copy_value(value)
            owner[self.slot] = whole


def _copy_along(value: Any, keys: list[Any]) -> Any:
    """Copy a value and the maps and lists in it along `keys`; the rest is the same in both."""
    copied = copy(value)
    place = copied
    for key in keys:
        child = copy(member(place, key))
        place[key] = child
        place = child
    return copied


def _replaced_size(place: Any, key: Any) -> int:
    """Bytes that an assignment to `place[key]` gives back; negative for a new key, which takes its own."""
    if type(place) is list:
        return size_of(place[list_index(place, key)])
    if type(place) is not dict:
        raise failure("TypeError", f"cannot assign into {a_type(place)}")
    if type(key) is not str:
        raise failure("TypeError", f"a map's key is a string, not {a_type(key)}")
    return size_of(place[key]) if key in place else -size_of(key)


@dataclass(eq=False)
class Assign:
    """`assign`: targets and values in order. `atomic` ones hold the lock from reading to writing."""

    entries: list[tuple[Target, Code, bool]]

    def __call__(self, frame: Frame) -> None:
        for target, value, atomic in self.entries:
            if atomic:
                with frame.execution.lock:
                    target.store(frame, value(frame))
            else:
                target.store(frame, value(frame))


@dataclass(eq=False)
class CallStep:
    """`call`: a function with its arguments in order, and where the result goes."""

    function: Function
    arguments: list[Code]
    result: Target | None

    def __call__(self, frame: Frame) -> None:
        value = self.function.invoke(frame, [argument(frame) for argument in self.arguments])
        if self.result:
            self.result.store(frame, value)


@dataclass(eq=False)
class ComputedCallStep:
    """`call` whose `args` are one expression: a map by name or a list by position, which only the run shows."""

    function: Function
    arguments: Code
    result: Target | None

    def __call__(self, frame: Frame) -> None:
        arguments = self.arguments(frame)
        if type(arguments) is dict:
            problems = self.function.wrong_names(arguments)
            ordered = [arguments.get(item.name, item.default) for item in self.function.parameters]
        elif type(arguments) is list:
            problems = [problem] if (problem := self.function.wrong_count(len(arguments))) else []
            ordered = arguments
        else:
            raise failure("TypeError", f"args is a map or a list, not {a_type(arguments)}")
        if problems:
            raise failure("TypeError", problems[0])
        value = self.function.invoke(frame, ordered)
        if self.result:
            self.result.store(frame, value)


@dataclass(eq=False)
class Switch:
    """`switch`: the first condition that is true decides."""

    cases: list[tuple[Code, Callable[[Frame], Any]]]

    def __call__(self, frame: Frame) -> Any:
        for condition, action in self.cases:
            if boolean(condition(frame), "condition"):
                return action(frame)
        return None


@dataclass(eq=False)
class Items:
    """What a loop goes over: `in` or `range`."""

    code: Code
    is_range: bool

    def of(self, frame: Frame) -> Iterable[Any]:
        """The items, as they are when the loop starts; those of a range one at a time."""
        value = self.code(frame)
        if not self.is_range:
            if type(value) is not list:
                raise failure("TypeError", f"a loop goes over a list, not {a_type(value)}: try keys(...) on a map")
            return list(value)
        if type(value) is not list or len(value) != 2:
            raise failure("TypeError", "range must be a list of two numbers")
        first, last = value
        if not (is_number(first) and is_number(last)):
            raise failure("TypeError", f"range needs numbers, not {type_name(first)} and {type_name(last)}")
        if type(first) is int and type(last) is int:
            return range(first, last + 1)
        return (first + offset for offset in range(int(last - first) + 1)) if last >= first else ()


@dataclass(eq=False)
class For:
    """`for`: a loop whose variables end with it."""

    items: Items
    value_slot: str
    index_slot: str | None
    body: Block
    slots: list[str]

    def __call__(self, frame: Frame) -> Any:
        try:
            for index, item in enumerate(self.items.of(frame)):
                frame.store(self.value_slot, item)
                if self.index_slot:
                    frame.store(self.index_slot, index)
                signal = self.body.run(frame)
                if signal is BREAK:
                    break
                if signal is not None and signal is not CONTINUE:
                    return signal
        finally:
            frame.release(self.slots)
        return None


@dataclass(eq=False)
class Branch:
    """One strand of a parallel step, with the variables it starts with."""

    name: str
    body: Block
    variables: dict[str, Any]

    def run(self, frame: Frame) -> WorkflowError | None:
        """Run on a frame of its own; an unhandled error is handed back, so that the others go on."""
        own = Frame(frame.execution, frame.depth, frame)
        try:
            for slot, value in self.variables.items():
                own.store(slot, value)
            self.body.run(own)
        except WorkflowError as error:
            return error
        finally:
            own.release(list(own))
        return None


@dataclass(eq=False)
class Parallel:
    """`parallel`: branches, or the iterations of a loop, at the same time."""

    branches: Callable[[Frame], list[Branch]]
    limit: Code | None

    def __call__(self, frame: Frame) -> None:
        branches = self.branches(frame)
        limit = MAX_CONCURRENCY if self.limit is None else self.limit(frame)
        if type(limit) is not int or limit < 1:
            raise failure("TypeError", "concurrency_limit must be a positive integer")
        workers = min(limit, MAX_CONCURRENCY, max(len(branches), 1))
        with ThreadPoolExecutor(workers, thread_name_prefix="workflow-branch") as pool:
            errors = list(pool.map(lambda branch: branch.run(frame), branches))
        failed = [
            {"id": branch.name, "error": {"context": str(error), "payload": copy_value(error.error)}}
            for branch, error in zip(branches, errors, strict=True)
            if error
        ]
        if failed:
            message = "One or more branches or iterations encountered an unhandled runtime error"
            raise failure("UnhandledBranchError", message, branches=failed, truncated=False)


@dataclass(eq=False)
class Except:
    """`except`: what to do with an error; its variables end with it."""

    slot: str | None
    body: Callable[[Frame], Any]
    slots: list[str]

    def __call__(self, frame: Frame, error: WorkflowError) -> Any:
        try:
            if self.slot:
                frame.store(self.slot, error.error)
            return self.body(frame)
        finally:
            frame.release(self.slots)


@dataclass(eq=False)
class Retry:
    """`retry`: a policy, as code that gives a map."""

    policy: Code

    def delays(self, frame: Frame) -> tuple[Function | None, Iterator[float]]:
        """The predicate, None for every error, and the seconds to wait before each further try."""
        policy = self.policy(frame)
        if type(policy) is not dict:
            raise failure("TypeError", f"a retry policy is a map, not {a_type(policy)}")
        predicate = policy.get("predicate")
        if predicate is not None and not isinstance(predicate, Function):
            raise failure("TypeError", f"a retry predicate is a function, not {a_type(predicate)}")
        retries = policy.get("max_retries", 0)
        if type(retries) is not int or retries < 0:
            raise failure("TypeError", "max_retries must be an integer from 0 on")
        backoff = policy.get("backoff") or {}
        if type(backoff) is not dict:
            raise failure("TypeError", f"backoff must be a map, not {a_type(backoff)}")
        numbers = {"initial_delay": 1, "max_delay": 60, "multiplier": 1}
        for name in numbers:
            value = numbers[name] = backoff.get(name, numbers[name])
            if not is_number(value) or value < 0:
                raise failure("TypeError", f"{name} of a retry policy must be a number from 0 on")
        return predicate, _growing(retries, **numbers)


def _growing(retries: int, initial_delay: float, max_delay: float, multiplier: float) -> Iterator[float]:
    delay = initial_delay
    for _ in range(retries):
        yield min(delay, max_delay)
        delay = min(delay * multiplier, max_delay)


@dataclass(eq=False)
class Try:
    """`try`, then `retry`, then `except`."""

    body: Callable[[Frame], Any]
    retry: Retry | None
    handler: Except | None

    def __call__(self, frame: Frame) -> Any:
        try:
            return self._attempts(frame, self.retry) if self.retry else self.body(frame)
        except (WorkflowError, *HOST_ERRORS) as error:
            if self.handler is None:
                raise
            caught = error if isinstance(error, WorkflowError) else from_host(error)
        return self.handler(frame, caught)

    def _attempts(self, frame: Frame, retry: Retry) -> Any:
        policy: tuple[Function | None, Iterator[float]] | None = None
        while True:
            try:
                return self.body(frame)
            except (WorkflowError, *HOST_ERRORS) as error:
                caught = error if isinstance(error, WorkflowError) else from_host(error)
                if policy is None:
                    policy = retry.delays(frame)
                predicate, waits = policy
                wait = next(waits, None)
                if wait is None or (predicate and not _holds(predicate, frame, caught)):
                    raise caught from None
            frame.execution.sleep(wait)
            frame.execution.tick()


def _holds(predicate: Function, frame: Frame, error: WorkflowError) -> bool:
    return boolean(predicate.invoke(frame, [error.error]), "a retry predicate")


@dataclass(eq=False)
class Raise:
    """`raise`: a string or a map."""

    value: Code

    def __call__(self, frame: Frame) -> None:
        value = self.value(frame)
        if type(value) not in (str, dict):
            raise failure("TypeError", f"raise takes a string or a map, not {a_type(value)}")
        raise WorkflowError(copy_value(value))
