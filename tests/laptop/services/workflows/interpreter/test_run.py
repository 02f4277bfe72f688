"""Running a workflow from Python: progress, cancelling, threads, what one run leaves for the next."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from omnipipe.laptop.services.workflows.interpreter import WorkflowCancelled, WorkflowError, WorkflowRefused, parse


def test_on_step_reports_the_steps_of_main_only(outside):
    source = """
main:
  steps:
    - init: {assign: [{x: "${sub()}"}]}
    - guarded:
        try:
          steps:
            - work: {raise: no}
        except:
          as: e
          steps:
            - record: {assign: [{x: 1}]}
    - finish: {return: 1}
sub: {steps: [{hidden: {return: 1}}]}
"""
    seen = []
    parse(source, "w").run(None, outside.environment(), lambda name, phase: seen.append((name, phase)))
    assert seen == [
        ("init", "enter"), ("init", "leave"),
        ("guarded", "enter"), ("work", "enter"), ("work", "fail"), ("record", "enter"), ("record", "leave"),
        ("guarded", "leave"),
        ("finish", "enter"), ("finish", "leave"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "steps",
    [
        "- a: {call: sys.sleep, args: {seconds: 60}}",
        "- a: {try: {call: sys.sleep, args: {seconds: 60}}, retry: '${http.default_retry}', except: {as: e}}",
        "- a: {parallel: {for: {value: v, range: [1, 5], steps: [{b: {call: sys.sleep, args: {seconds: 60}}}]}}}",
        "- a: {try: {raise: x}, retry: {predicate: '${retry.always}', max_retries: 9, backoff: {initial_delay: 60}}}",
    ],
)
def test_cancel_stops_an_execution_that_waits(outside, steps):
    cancel = threading.Event()
    threading.Timer(0.1, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(WorkflowCancelled) as cancelled:
        parse(steps, "w").run(None, outside.environment(), cancel=cancel)
    assert time.monotonic() - started < 5
    assert cancelled.value.error == {"message": "the execution was cancelled", "tags": ["Cancelled"]}


def test_cancel_stops_an_execution_that_loops(outside):
    cancel = threading.Event()
    seen = []

    def on_step(name, phase):
        seen.append(name)
        if len(seen) == 100:
            cancel.set()

    with pytest.raises(WorkflowCancelled):
        parse("- a: {next: a}", "w").run(None, outside.environment(), on_step, cancel)
    assert len(seen) == 100


def test_one_workflow_runs_in_many_threads(outside):
    source = """
main:
  params: [n]
  steps:
    - init: {assign: [{sum: 0}, {m: {l: []}}]}
    - loop:
        for:
          value: i
          range: [1, "${n}"]
          steps:
            - add: {assign: [{sum: "${sum + i}"}, {m.l: "${list.concat(m.l, i)}"}]}
    - done: {return: ["${sum}", "${len(m.l)}"]}
"""
    workflow = parse(source, "w")
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: workflow.run(n, outside.environment()), range(1, 60)))
    assert results == [[n * (n + 1) // 2, n] for n in range(1, 60)]


def test_a_branch_reads_a_shared_map_while_others_change_it(outside):
    source = """
- a: {assign: [{m: {deep: {}}}]}
- p:
    parallel:
      shared: [m]
      for:
        value: v
        range: [1, 8]
        steps:
          - l:
              for:
                value: i
                range: [1, 60]
                steps:
                  - write: {assign: [{'m.deep["k" + string(v) + "-" + string(i)]': 1}]}
                  - read: {assign: [{n: '${len(json.encode(map.delete(m.deep, "x"), true))}'}]}
- d: {return: "${len(m.deep)}"}
"""
    workflow = parse(source, "w")
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns a thousand times as often, so that a race shows
    try:
        assert workflow.run(None, outside.environment()) == 480
    finally:
        sys.setswitchinterval(interval)


def test_neither_argument_nor_constants_are_changed(outside):
    source = """
main:
  params: [args]
  steps:
    - a: {assign: [{args.x: 2}, {c: {l: [1]}}, {"c.l[0]": "${c.l[0] + args.x}"}]}
    - b: {return: ["${args}", "${c}"]}
"""
    workflow, argument = parse(source, "w"), {"x": 1}
    first = workflow.run(argument, outside.environment())
    first[1]["l"].append(9)
    assert workflow.run(argument, outside.environment()) == [{"x": 2}, {"l": [3]}]
    assert argument == {"x": 1}


def test_an_argument_over_the_limit(outside):
    with pytest.raises(WorkflowError) as raised:
        parse("{main: {params: [a], steps: [{s: {return: 1}}]}}", "w").run(
            ["x" * 200_000] * 3, outside.environment()
        )
    assert raised.value.error["tags"] == ["ResourceLimitError"]


def test_a_source_over_128_kb():
    with pytest.raises(WorkflowRefused) as refused:
        parse("# " + "x" * 131_072, "w.yaml")
    assert str(refused.value) == "w.yaml:1: the source is over 128 KB — split it"


def test_a_source_nested_without_end():
    with pytest.raises(WorkflowRefused) as refused:
        parse("- a: {return: " + "[" * 50_000 + "]" * 50_000 + "}", "w.yaml")
    assert str(refused.value) == "w.yaml:1: nested too deeply — use subworkflows"


def test_an_expression_over_400_characters():
    with pytest.raises(WorkflowRefused) as refused:
        parse("- a: {return: '${" + "1 + " * 100 + "1}'}", "w.yaml")
    [problem] = refused.value.problems
    assert problem.message.endswith("the expression has over 400 characters — use more variables")
