"""How many steps a second the Workflows interpreter does.

    .venv/bin/python bench/workflows.py

Prints one line a workload: steps/s of the best of five runs. The target is 50,000 assign steps/s.
"""

import time

from omnipipe.laptop.services.workflows.interpreter import Environment, parse

LOOP = """
- loop:
    for:
      value: v
      range: [1, {iterations}]
      steps: {steps}
"""
# name, steps of an iteration in the source, how many they are
WORKLOADS = {
    "assign a number": ('[{a: {assign: [{x: "${v * 2 + 1}"}]}}]', 1),
    "assign a nested map": ('[{a: {assign: [{m: {a: {b: "${v}"}, l: [1, 2, "${v}"]}}]}}]', 1),
    "call of a subworkflow": ('[{a: {assign: [{x: "${add(v, 1)}"}]}}]', 2),
    "switch, jump, library": (
        '[{a: {switch: [{condition: "${v % 2 == 0}", next: c}]}}, {b: {next: continue}},'
        ' {c: {assign: [{s: "${text.to_upper(string(v))}"}]}}]',
        2,
    ),
}
STEPS = 90_000


def main() -> None:
    """Measure each workload."""
    environment = Environment("project", "location", "bench", "1", "1", "bench@project")
    for name, (steps, count) in WORKLOADS.items():
        iterations = STEPS // count
        source = "main:\n  steps:" + LOOP.format(iterations=iterations, steps=steps).replace("\n", "\n    ")
        workflow = parse(source + "\nadd: {params: [a, b], steps: [{s: {return: '${a + b}'}}]}\n", name)
        best = float("inf")
        for _ in range(5):
            started = time.perf_counter()
            workflow.run(None, environment)
            best = min(best, time.perf_counter() - started)
        print(f"workflows: {name}: {iterations * count / best:,.0f} steps/s")


if __name__ == "__main__":
    main()
