"""What each operator of ours makes, and what counts as a mutant."""

import pytest
from cosmic_ray.mutating import mutate_code

from omnipipe.laptop.home import PROJECT_ROOT
from tests.mutants.operators import (
    CatchAnother,
    ChangeSql,
    NegateIn,
    Operator,
    RemoveFilter,
    RemoveItem,
    RemoveStatement,
    mutants,
)


@pytest.mark.parametrize(
    ("operator", "before", "after"),
    [
        (RemoveStatement, "a()\nb(c)\n", ["pass\nb(c)\n", "a()\npass\n"]),
        (RemoveStatement, "x.y = 1\n", ["pass\n"]),
        (RemoveStatement, "x = 0\nx += 1\n", ["x = 0\npass\n"]),
        (RemoveStatement, "if x:\n    raise E\n", ["if x:\n    pass\n"]),
        (RemoveStatement, "def f():\n    return 1\n", ["def f():\n    pass\n"]),
        (RemoveItem, "f(a, b=1)", ["f(a)"]),
        (RemoveItem, "f(b=1)", ["f()"]),
        (RemoveItem, "f(a=1, **b)", ["f( **b)", "f(a=1)"]),
        (RemoveItem, "x = {1: 2, 3: 4}", ["x = { 3: 4}", "x = {1: 2}"]),
        (RemoveItem, "x = {'a', *b}", ["x = { *b}", "x = {'a'}"]),
        (RemoveItem, "x = [1, 2]", ["x = [ 2]", "x = [1]"]),
        (RemoveItem, "x = {a: b for a in c}\ny = 1, 2\nz = (1, 2)", []),
        (RemoveFilter, "[x for x in y if x]", ["[x for x in y]"]),
        (
            CatchAnother,
            "try:\n    a()\nexcept b.C:\n    d()\n",
            ["try:\n    a()\nexcept ZeroDivisionError:\n    d()\n"],
        ),
        (
            CatchAnother,
            "try:\n    a()\nexcept (b.C, D) as e:\n    pass\n",
            [
                "try:\n    a()\nexcept (ZeroDivisionError, D) as e:\n    pass\n",
                "try:\n    a()\nexcept (b.C, ZeroDivisionError) as e:\n    pass\n",
            ],
        ),
        (NegateIn, "x = a in b", ["x = a not in b"]),
        (NegateIn, "for a in b:\n    pass\n", []),
        (ChangeSql, "x = 'a AND b'", ["x = 'a OR b'"]),
        (ChangeSql, "x = f'WHERE {a} = 1'", ["x = f'WHERE {a} != 1'"]),
        (ChangeSql, "x = ('SELECT a' ' ORDER BY a DESC')", ["x = ('SELECT a' ' ORDER BY a')"]),
        (ChangeSql, "x = 'a = b'", []),
    ],
)
def test_an_operator_makes_each_change_once(operator: type[Operator], before: str, after: list[str]) -> None:
    made, occurrence = [], 0
    while text := mutate_code(before, operator(), occurrence):
        made.append(text)
        occurrence += 1
    assert made == after


def texts(source: str) -> list[str]:
    return [mutant.text for mutant in mutants(source)]


def test_each_rule_of_a_source_has_its_mutants_and_their_lines() -> None:
    found = mutants("def fee(km):\n    if km < 3:\n        return 0\n    return km\n")
    assert {mutant.line for mutant in found} == {2, 3, 4}
    for changed in ("km <= 3", "not km < 3", "km < 4", "return 1"):  # not km >= 3: that is the third
        assert [changed in mutant.text for mutant in found].count(True) == 1, changed
    assert len(found) == 6  # and a pass for each return


def test_what_does_not_run_is_not_changed() -> None:
    assert texts('def f(x: int | None = None) -> "a AND B":\n    """AND 1 = 2."""\n') == []
    assert texts("@dataclass(frozen=True)\nclass A:\n    x: Callable[[B, C], int]\n") == []
    assert texts("import a\nx = y\n") == []


def test_no_mutant_is_made_twice_and_each_can_be_read() -> None:
    found = texts("x = [a for a in b if a and a not in c]\nf(x, y=1, **z)\n")
    assert found
    assert len(found) == len(set(found))
    for text in found:
        compile(text, "mutant", "exec")


def test_a_real_file_has_its_mutants() -> None:
    source = (PROJECT_ROOT / "stacks" / "settings.py").read_text()  # has about everything that Python has
    found = mutants(source)
    assert len(found) > 80
    assert any("except (ZeroDivisionError, TypeError, ValueError)" in mutant.text for mutant in found)
    assert any("if not text is None" in mutant.text for mutant in found)
