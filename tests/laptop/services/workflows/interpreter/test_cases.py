"""Runs the cases of `cases/*.yaml`: a workflow or expression each, with its exact result, error or refusal."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnipipe.laptop.services.workflows.interpreter import WorkflowError, WorkflowRefused, parse

CASES = Path(__file__).parent / "cases"
EXPRESSION_WORKFLOW = """\
main:
  steps:
    - variables:
        assign:
          - {i: 7}
          - {d: 2.5}
          - {s: text}
          - {t: true}
          - {n: null}
          - {l: [10, 20, 30]}
          - {m: {a: {b: 1}, "k-y": 2, zero: 0}}
          - {b: '${text.encode("Hello World")}'}
    - evaluate:
        return: EXPRESSION
twice:
  params: [x]
  steps:
    - double_it: {return: "${x * 2}"}
"""


def load(*names: str) -> list[Any]:
    return [
        pytest.param(case, id=f"{name}: {case.get('name') or case['expression']}")
        for name in names
        for case in yaml.safe_load((CASES / f"{name}.yaml").read_text(encoding="utf-8"))
    ]


def same(left: Any, right: Any) -> bool:
    """Equality that tells 1 from 1.0 and true."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


@pytest.mark.parametrize("case", load("expressions", "stdlib"))
def test_expression(case, outside):
    source = EXPRESSION_WORKFLOW.replace("EXPRESSION", json.dumps("${" + case["expression"] + "}"))
    if "refused" in case:
        with pytest.raises(WorkflowRefused) as refused:
            parse(source, "w.yaml")
        # the first: a slip may cause more problems after it
        assert case["refused"] in [problem.message for problem in refused.value.problems]
        assert {(problem.line, problem.step) for problem in refused.value.problems} == {(14, "evaluate")}
        return
    workflow = parse(source, "w.yaml")
    if "result" in case:
        result = workflow.run(None, outside.environment())
        assert same(result, case["result"]), result
        return
    with pytest.raises(WorkflowError) as raised:
        workflow.run(None, outside.environment())
    if "error" in case:
        assert raised.value.error == case["error"]
    else:
        assert raised.value.error["tags"] == case["error_tags"]


@pytest.mark.parametrize("case", load("steps", "errors", "parallel", "limits", "check", "warnings"))
def test_workflow(case, outside):
    if "refused" in case:
        with pytest.raises(WorkflowRefused) as refused:
            parse(case["source"], "w.yaml")
        assert [str(problem) for problem in refused.value.problems] == case["refused"]
        return
    workflow = parse(case["source"], "w.yaml")
    assert [str(warning) for warning in workflow.warnings] == case.get("warned", [])
    if "result" in case:
        result = workflow.run(case.get("argument"), outside.environment())
        assert same(result, case["result"]), result
    else:
        with pytest.raises(WorkflowError) as raised:
            workflow.run(case.get("argument"), outside.environment())
        assert raised.value.error == case["error"]
        assert raised.value.context == case.get("context", raised.value.context)
    assert outside.logs == [tuple(entry) for entry in case.get("logs", [])]
