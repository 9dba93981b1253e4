"""The index of the pages, and the page of a state graph."""

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from attrs import evolve

from failure_modes.checker.campaigns.matrix import PolicyGroup
from failure_modes.checker.cli import matrix as cli_matrix
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import catalogue, failure_mode
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.proof.graph import StateGraph, TooManyStates, state_graph
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.report.pages.graph import graph_text, picture_of
from failure_modes.checker.report.pages.index import Entry, entry_of, index_text, matrix_of
from failure_modes.checker.report.pages.matrix import MatrixGroup, MatrixRow, write_matrix
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.replay import replay
from model.actions import Crash, actor_of
from tests.checker.commands import invoke, results_of

NAMES = ("both_commit_after_the_lease_ran_out", "reply_is_lost", "dead_with_a_job_in_hand")


@cache
def entries() -> tuple[Entry, ...]:
    """Some entries of an index."""
    kept = {path.stem: trace for path, trace in all_kept()}
    return tuple([entry_of(replay(kept[name]), name=name, address=f"{name}.html") for name in NAMES])


@cache
def graphs(mode_id: str) -> tuple[StateGraph, StateGraph]:
    """The states of a failure mode: broken, and without the fault."""
    mode = failure_mode(mode_id)
    broken = Proof(scope=mode.scope, bounds=mode.bounds, fault=mode.fault, target=mode.target)
    return state_graph(broken), state_graph(evolve(broken, fault=mode.control, target=None))


def test_the_index_links_each_trace_and_says_what_to_filter_by() -> None:
    """Each entry has a link, and the values that the filter compares."""
    text = index_text(entries(), catalogue())
    assert [f'href="{name}.html"' in text for name in NAMES] == [True] * len(NAMES)
    found = re.findall(
        r'<li data-invariant="(\w+)" data-policy="([^"]+)" data-store="(\w+)" data-length="(\d+)"', text
    )
    assert found == [(entry.invariant, entry.policy, entry.store, str(entry.length)) for entry in entries()]
    assert text == index_text(entries(), catalogue())


def test_the_matrix_has_every_failure_mode() -> None:
    """Each target of each failure mode is in the cell of its policy and of its invariant."""
    modes = catalogue()
    names = {name for row in matrix_of(modes) for cell in row.cells for name in cell.names}
    assert names == {mode.id for mode in modes}
    wanted = sum(len(mode.each) for mode in modes)
    assert sum(len(cell.names) for row in matrix_of(modes) for cell in row.cells) == wanted


def test_the_computed_matrix_is_drawn_cell_by_cell(tmp_path: Path) -> None:
    """A length has a colour by how short it is; what breaks only later, and what holds, look otherwise."""
    cells = ("8", "(7)", "2 !", "-", "(-)", "-", "-", "-")
    group = MatrixGroup(scope="1 job; 2 workers", rows=(MatrixRow(off="lease", cells=cells),))
    write_matrix(tmp_path / "matrix.html", (group,))
    text = (tmp_path / "matrix.html").read_text("utf-8")
    heats = re.findall(r'class="heat( later)?" style="--heat:([\d.]+)"[^>]*>([^<]+)<', text)
    assert heats == [("", "0.25", "8"), (" later", "0.34", "(7)"), ("", "0.81", "2 !")]
    assert re.findall(r'class="holds">([^<]+)<', text) == ["-", "(-)", "-", "-", "-"]


def test_the_command_matrix_writes_its_table_as_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page has the cells that the text has."""
    tiny = PolicyGroup(policies=("lease",), scope=Scope(workers=1), bounds=Bounds(jobs=1))
    monkeypatch.setattr(cli_matrix, "GROUPS", (tiny,))
    path = tmp_path / "matrix.html"
    printed = invoke("matrix", "--processes", "1", "--page", str(path)).stdout
    row = next(line for line in printed.splitlines() if line.startswith("lease"))
    cells = re.findall(r'class="(?:heat|holds)[^>]*>([^<]+)<', path.read_text("utf-8"))
    assert cells[:8] == row.split()[1:]


@pytest.mark.parametrize("mode_id", ["FM_004", "FM_008", "FM_009", "FM_014"])
def test_a_graph_has_the_states_of_the_proof(mode_id: str) -> None:
    """It has as many states as the proof counts, and the break at the depth of the shortest trace."""
    expected = failure_mode(mode_id).expected
    broken, held = graphs(mode_id)
    assert held.reached == len(held.states) == expected.states
    assert held.first_broken is None
    assert broken.first_broken is not None
    assert broken.first_broken.depth == expected.shortest
    assert len(broken.path_to(broken.first_broken.number)) == expected.shortest + 1


def test_a_picture_of_a_graph_has_each_state_at_a_place_of_its_own() -> None:
    """No two states lie on one another, and a layer is a depth."""
    broken, _ = graphs("FM_009")
    picture = picture_of(broken, label="broken", key="a")
    assert len({(node.x, node.y) for node in picture.nodes}) == len(broken.states)
    heights = {state.depth: picture.nodes[state.number].y for state in broken.states}
    assert sorted(heights.values()) == [heights[depth] for depth in sorted(heights)]
    assert len([edge for edge in picture.edges if edge.on_path]) == failure_mode("FM_009").expected.shortest


def test_a_graph_is_drawn_the_same_each_time() -> None:
    """The places of the states do not depend on chance."""
    mode = failure_mode("FM_009")
    assert graph_text(mode, graphs("FM_009")) == graph_text(mode, graphs("FM_009"))


def test_a_crashed_process_is_not_called_at_rest() -> None:
    """In FM_005 the worker dies with the job: until its successor moves, the graph says so."""
    broken, _ = graphs("FM_005")
    assert broken.first_broken is not None
    path = broken.path_to(broken.first_broken.number)
    assert dict(broken.first_broken.paused)["A"] == "crashed; the next A has not begun"
    assert "crashed" not in dict(broken.states[path[-2]].paused)["A"]


def test_a_process_has_crashed_until_the_next_one_moves() -> None:
    """On the way to each state, the last action of such a process is a crash, and of no other process."""
    _, held = graphs("FM_009")
    first = {(one.before, one.after): one.action for one in reversed(held.transitions)}
    moved = 0
    for state in held.states:
        taken = [first[pair] for pair in pairwise(held.path_to(state.number))]
        last = [action for action in taken if actor_of(action) == "A"][-1:]
        assert ("A" in state.crashed) == isinstance(next(iter(last), None), Crash)
        moved += Crash(worker="A") in taken and "A" not in state.crashed
    assert moved > 0


def test_a_scope_with_too_many_states_is_refused() -> None:
    """A picture of thousands of dots shows nothing: the error says so."""
    mode = failure_mode("FM_001")
    proof = Proof(scope=mode.scope, bounds=Bounds(jobs=1, ticks=1), fault=mode.control)
    with pytest.raises(TooManyStates, match="more than 20 states"):
        state_graph(proof, states_max=20)


def test_the_command_writes_pages_and_their_index(tmp_path: Path) -> None:
    """`page TRACE` writes one page; with `--graph` it writes the states, too."""
    path = next(path for path, _ in all_kept() if path.stem == NAMES[0])
    result = invoke("page", str(path), "--graph", "FM_014", "--output", str(tmp_path), "--json")
    graph, page = results_of(result)
    assert (result.exit_code, page["as_expected"], graph["states"]) == (0, True, [11, 11])
    assert [Path(one["page"]).is_file() for one in (graph, page)] == [True, True]
    assert page["page"].endswith(f"FM_001_{NAMES[0]}.html")
    assert invoke("page").exit_code == 2
    assert invoke("page", str(path), "--all").exit_code == 2


def test_the_command_says_that_a_trace_is_not_as_expected(tmp_path: Path) -> None:
    """A page of a trace that breaks no more is written, and the exit code says that it does not."""
    path = next(path for path, _ in all_kept() if path.stem == NAMES[0])
    stale = tmp_path / "stale.json"
    stale.write_text(path.read_text("utf-8").replace('    {"action": "Step", "worker": "B"},\n', ""))
    changed = stale.read_text("utf-8").replace('"step": 8', '"step": 5')
    stale.write_text(changed)
    result = invoke("page", str(stale), "--output", str(tmp_path / "pages"))
    assert result.exit_code == 1
    assert "not as expected" in result.stderr
    assert (tmp_path / "pages" / "FM_001_stale.html").is_file()
