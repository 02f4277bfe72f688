"""Sources of workflows."""

import pytest
from pulumi.runtime.rpc import UNKNOWN

from components.platform.workflow_source import workflow_source
from omnipipe.contracts.pipelines import DAILY
from policy.workflow_sources import workflow_sources
from tests.policy.conftest import said

KIND = "workflows.Workflow"


def steps(text: str) -> str:
    """A workflow of these steps, in YAML's one-line form."""
    return f"main: {{steps: [{text}]}}"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("main: {steps: [", "the source is no YAML"),
        ("just words", "the source has no main workflow"),
        ("other: {steps: [{a: {return: 1}}]}", "the source has no main workflow"),
        ("", "the source has no main workflow"),
        ("main: [{a: {return: 1}}]", "the workflow main is no map of steps and params"),
        ("main: {step: [{a: {return: 1}}]}", "the workflow main is no map"),
        ("main: {params: [args]}", "the workflow main is no map"),
        ("main: {steps: [{a: {return: 1}}]}\nother: 3", "the workflow other is no map"),
        ("main: {steps: []}", "main has no list of steps"),
        ("main: {steps: {a: {return: 1}}}", "main has no list of steps"),
        (steps("{a: {return: 1}, b: {return: 2}}"), "main has a step that is not one name with a map below it"),
        (steps("a"), "main has a step that is not one name"),
        (steps("{a: 1}"), "main.a is 1: a step is a map"),
        (steps("{a: {cal: http.get}}"), "main.a has cal, which makes no step: take one of assign, call,"),
        (steps("{a: {}}"), "main.a has nothing, which makes no step"),
        (steps("{a: {call: http.get, arg: {}}}"), "main.a has arg beside call, which takes args, next, result"),
        (steps("{a: {next: end, result: x}}"), "main.a has result beside next, which takes nothing"),
        (steps("{a: {call: sys.log, next: b}}"), "main.a goes on to b, and there is no such step"),
        (steps("{a: {call: other}}"), "main.a calls other, and there is no such workflow"),
        (steps("{a: {switch: [{next: end}]}}"), "main.a has a case without condition"),
        (steps("{a: {switch: [{condition: '${x}', next: b}]}}"), "main.a goes on to b"),
        (steps("{a: {switch: [{condition: '${x}', steps: [{b: {next: c}}]}]}}"), "main.a.b goes on to c"),
        (steps("{a: {steps: [{b: {next: c}}]}}"), "main.a.b goes on to c"),
        (steps("{a: {try: {steps: [{b: {nxt: c}}]}, except: {as: e}}}"), "main.a.b has nxt"),
        (steps("{a: {try: {call: x.y}, except: {as: e, steps: [{b: {nxt: c}}]}}}"), "main.a.b has nxt"),
        (steps("{a: {for: {value: v, in: [1], steps: [{b: {next: a}}]}}}"), "main.a.b goes on to a"),
        (steps("{a: {for: {value: v, in: [1]}}}"), "main.a has no list of steps"),
        (steps("{a: {parallel: {for: {value: v, in: [1], steps: [{b: {nxt: c}}]}}}}"), "main.a.b has nxt"),
        (steps("{a: {parallel: {branches: [{x: {steps: [{b: {nxt: c}}]}}]}}}"), "main.a.b has nxt"),
        (steps("{a: {parallel: {branches: [{x: 3}]}}}"), "main.a has no list of steps"),
    ],
)
def test_a_source_that_is_no_workflow(source: str, words: str) -> None:
    (message,) = said(workflow_sources, KIND, {"sourceContents": source or " "})
    assert words in message


def test_a_source_that_is_too_long() -> None:
    line = steps("{a: {return: 1}}\n")
    assert not said(workflow_sources, KIND, {"sourceContents": f"{line}#".ljust(128 * 1024, "x")})
    (message,) = said(workflow_sources, KIND, {"sourceContents": f"{line}#".ljust(128 * 1024 + 1, "x")})
    assert message == "the source has over 128 KB: split the workflow"


@pytest.mark.parametrize(
    "source",
    [
        steps("{a: {call: http.get, args: {url: u}, result: r, next: b}}, {b: {return: '${r}'}}"),
        "[{a: {assign: [{x: 1}]}}, {b: {call: sys.log, args: {text: x}, next: end}}]",
        f"{steps('{a: {call: other, args: {x: 1}}}')}\nother: {{params: [x], steps: [{{b: {{raise: '${{x}}'}}}}]}}",
        steps("{a: {steps: [{b: {next: c}}, {c: {next: d}}]}}, {d: {return: 1}}"),
        steps("{a: {for: {value: v, in: [1], steps: [{b: {next: continue}}, {c: {next: break}}]}, next: end}}"),
        steps(
            "{a: {try: {call: x.y}, retry: '${http.default_retry}', except: {as: e, raise: '${e}'}, next: end}}"
        ),
        steps("{a: {switch: [{condition: '${x}', return: 1}, {condition: true, next: a}], next: end}}"),
        steps("{a: {parallel: {shared: [x], branches: [{b: {steps: [{c: {assign: [{x: 1}]}}]}}]}}}"),
        steps("{1: {next: 1}}"),
        workflow_source(DAILY),
        UNKNOWN,
    ],
)
def test_a_source_that_is_a_workflow(source: str) -> None:
    assert not said(workflow_sources, KIND, {"sourceContents": source})
