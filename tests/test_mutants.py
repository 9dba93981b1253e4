"""The session of mutation testing: what it reads of mutmut, and what it makes of `docs/mutants.md`."""

import json
import time
from pathlib import Path

import pytest

from failure_modes.checker.support.cluster import Cluster, ClusterUnusable
from tests.checker.clusters import running
from tests.mutants.copies import MAP, chosen, codes, keep, make, prepare, run
from tests.mutants.plans import PLANS, plan_of
from tests.mutants.shared import GROUP_MAX, Group, groups, run_group
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


def _copy_with(folder: Path, files: dict[str, dict[str, int | None]]) -> Path:
    """A folder with what mutmut would keep of the mutants of these files."""
    for name, known in files.items():
        path = folder / "mutants" / f"{name}.meta"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"exit_code_by_key": known, "durations_by_key": {}}), encoding="utf-8")
    return folder


def test_what_was_found_in_another_copy_is_kept_beside_what_is_known(tmp_path: Path) -> None:
    """A mutant that the other copy did not run keeps its exit code, and so does all else in the file."""
    folder = _copy_with(tmp_path, {"a/b.py": {"a.b.x_f__mutmut_1": None, "a.b.x_f__mutmut_2": 1}, "c.py": {}})
    keep(folder, {"a.b.x_f__mutmut_1": 0, "a.b.x_f__mutmut_2": None, "d.x_g__mutmut_1": 1})
    assert codes(folder) == {"a.b.x_f__mutmut_1": 0, "a.b.x_f__mutmut_2": 1}
    kept = json.loads((folder / "mutants" / "a" / "b.py.meta").read_text(encoding="utf-8"))
    assert kept["durations_by_key"] == {}


def test_a_mutant_that_has_run_is_chosen_only_again() -> None:
    """One whose run was interrupted has not run."""
    known = {"a.x_f__mutmut_1": 0, "a.x_f__mutmut_2": 2, "a.x_f__mutmut_11": None, "b.x_g__mutmut_1": None}
    assert chosen(known, (), again=False) == ("a.x_f__mutmut_2", "a.x_f__mutmut_11", "b.x_g__mutmut_1")
    assert chosen(known, ("a.*_*1",), again=False) == ("a.x_f__mutmut_11",)
    assert chosen(known, ("a.*_*1",), again=True) == ("a.x_f__mutmut_1", "a.x_f__mutmut_11")


def test_groups_have_each_mutant_once_and_the_map_of_the_tests(tmp_path: Path) -> None:
    """The last group has what is left."""
    names = tuple([f"a.x_f__mutmut_{number}" for number in range(GROUP_MAX + 1)])
    folder = _copy_with(tmp_path, {"a.py": dict.fromkeys(names)})
    (folder / MAP).write_text("{}", encoding="utf-8")
    made = list(groups(folder, "queue", names, until=7.0))
    assert [len(group.names) for group in made] == [GROUP_MAX, 1]
    assert made[0].names + made[1].names == names
    assert {(group.plan, group.map_of_tests, group.until) for group in made} == {("queue", "{}", 7.0)}


def test_a_worker_with_other_tests_runs_no_mutant() -> None:
    """What it notices could be another's."""
    group = Group(plan="queue", names=(), map_of_tests="{}", tests_digest="another", until=0.0)
    with pytest.raises(ClusterUnusable, match="a worker has other tests than this process"):
        run_group(group)


@pytest.mark.slow
def test_a_cluster_finds_what_one_process_finds(tmp_path: Path) -> None:
    """Also if one of its two workers is killed: the other runs its mutants again."""
    pytest.importorskip("mutmut")
    here, there = tmp_path / "here", tmp_path / "there"
    until = time.time() + 300
    for folder in (here, there):
        folder.mkdir()
        make(folder, plan_of("smallest"))
        assert prepare(folder, until=until)
    names = chosen(codes(here), (), again=False)
    assert run(here, (), until=until)
    with running(tmp_path, 2) as machines, Cluster(machines.address) as cluster:
        answers = cluster.in_order(run_group, groups(there, "smallest", names, until=until, size=10))
        keep(there, next(answers))
        machines.workers[0].kill()
        for found in answers:
            keep(there, found)
    assert len(names) > 2 * 10, "one group is not more than one worker"
    assert set(codes(here).values()) == {0, 1}, "some are killed, and some survive"
    assert codes(there) == codes(here)


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
