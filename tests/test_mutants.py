"""The session of mutation testing: what it reads of mutmut, and what it makes of `docs/mutants.md`."""

from pathlib import Path

from tests.mutants.plans import PLANS
from tests.mutants.survivors import Mutant, as_row, figures, function_of, mutant, results, reviewed, same_sql

ROOT = Path(__file__).parents[1]
OUTPUT = """
    model.step.x_step__mutmut_1: killed
    model.step.xǁStateǁmove__mutmut_2: survived
    model.step.xǁStateǁmove__mutmut_3: not checked
    system.rows.x_read__mutmut_12: timeout
"""
DIFF = """# model.step.x_step__mutmut_1: survived
--- model/step.py
+++ model/step.py
@@ -1,3 +1,3 @@
 def step(state):
-    if state.at | 1 < 2:
+    if state.at | 1 <= 2:
         return state
"""


def test_the_results_are_read_by_name() -> None:
    """Each mutant has the status that mutmut prints."""
    assert results(OUTPUT) == {
        "model.step.x_step__mutmut_1": "killed",
        "model.step.xǁStateǁmove__mutmut_2": "survived",
        "model.step.xǁStateǁmove__mutmut_3": "not checked",
        "system.rows.x_read__mutmut_12": "timeout",
    }


def test_a_mutant_is_known_by_its_function_and_its_lines() -> None:
    """The number that mutmut gives it changes with the code, and is not part of it."""
    assert function_of("model.step.xǁStateǁ_move__mutmut_2") == "model.step.State._move"
    found = mutant("model.step.x_step__mutmut_1", DIFF)
    assert found == Mutant(function="model.step.step", change="if state.at | 1 < 2: → if state.at | 1 <= 2:")
    assert found == mutant("model.step.x_step__mutmut_9", DIFF)


def test_a_row_of_the_document_is_read_as_it_was_written() -> None:
    """Also with a bar in the code, which Markdown would take for a column."""
    found = mutant("model.step.x_step__mutmut_1", DIFF)
    assert reviewed(as_row(found, "equivalent: no time is 2")) == {found: "equivalent: no time is 2"}


def test_sql_in_other_letters_is_the_same_sql() -> None:
    """A change of the case in another text is a change that a reader sees."""
    sql = Mutant(function="f", change='self._run("DELETE FROM breaker") → self._run("delete from breaker")')
    assert same_sql(sql)
    assert not same_sql(Mutant(function="f", change='return "no job" → return "NO JOB"'))
    assert not same_sql(Mutant(function="f", change='"DELETE FROM breaker" → "DELETE FROM XXbreaker"'))


def test_the_figures_count_what_has_run() -> None:
    """A mutant that never ended has a column; one that has not run is in the first column only."""
    table = figures(results(OUTPUT), ())
    assert table[0] == "| folder | mutants | run | killed | no end | survived | equivalent | not reached |"
    assert table[2:] == (
        "| `model` | 3 | 2 | 1 | 0 | 1 | 0 | 0 |",
        "| `system` | 1 | 1 | 0 | 1 | 0 | 0 | 0 |",
    )
    reviewed_table = figures(results(OUTPUT), ["model.step.xǁStateǁmove__mutmut_2"])
    assert reviewed_table[2] == "| `model` | 3 | 2 | 1 | 0 | 0 | 1 | 0 |"
    assert figures({"failure_modes.checker.proof.nodes.x_f__mutmut_1": "no tests"}, ())[2:] == (
        "| `failure_modes.checker.proof` | 1 | 1 | 0 | 0 | 0 | 0 | 1 |",
    )


def test_the_plans_name_tests_that_are_there() -> None:
    """A test file that was renamed would silently notice nothing."""
    for plan in PLANS:
        for test in plan.tests:
            assert (ROOT / test.partition("::")[0]).exists(), test
        assert all((ROOT / source).is_dir() for source in plan.sources)
        assert all(any(ROOT.glob(pattern)) for pattern in plan.files)


def test_each_survivor_that_the_document_lists_is_of_a_function_that_is_there() -> None:
    """A function that was renamed or removed takes its survivors with it."""
    for survivor in reviewed((ROOT / "docs" / "mutants.md").read_text(encoding="utf-8")):
        module, name = _place(survivor.function)
        assert f"def {name}" in module.read_text(encoding="utf-8"), survivor


def _place(function: str) -> tuple[Path, str]:
    """The file of a function, and the last part of its name."""
    parts = function.split(".")
    for length in range(len(parts) - 1, 0, -1):
        path = ROOT.joinpath(*parts[:length])
        for module in (path.with_suffix(".py"), path / "__init__.py"):
            if module.is_file():
                return module, parts[-1]
    raise AssertionError(f"{function}: no such module")
