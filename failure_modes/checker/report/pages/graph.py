"""The page of a state graph: each reachable state of a small scope is a dot.

A layer holds the states that are first reached by so many actions, as in a proof. igraph gives the order of
the states in a layer, so that few lines cross.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from attrs import fields, frozen

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.oracle.describe import changes
from failure_modes.checker.proof.graph import GraphState, StateGraph
from failure_modes.checker.report.pages.rows import Table, tables_of
from failure_modes.checker.report.pages.templating import NoTemplates, filled
from failure_modes.checker.support.atomic_files import write_atomically
from model.actions import Action
from model.state import Durable

STEP = 17
"""The distance between two states of a layer, and half the distance between two layers."""
_MARGIN = 14


@frozen(kw_only=True)
class Node:
    """A state at its place. `kind`: `start`, `broken`, `off`, `end` if no action is left, or `state`."""

    id: str
    x: float
    y: float
    kind: str
    on_path: bool
    title: str
    path: tuple[str, ...]
    """The actions of a shortest path to it, one after the other."""
    message: str
    ends: bool
    """True if the state after the last action is no state of the proof: something broke in that action."""
    tables: tuple[Table, ...]
    paused: tuple[tuple[str, str], ...]


@frozen(kw_only=True)
class Edge:
    """A transition, as the path of a line. `kind` is the name of its action."""

    line: str
    kind: str
    on_path: bool
    before: str
    after: str


@frozen(kw_only=True)
class Picture:
    """A graph at its place on the page."""

    label: str
    caption: str
    verdict: str
    width: int
    height: int
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def write_graph(path: Path, mode: FailureMode, graphs: Sequence[StateGraph]) -> None:
    """Write the page of the graphs of a failure mode: broken, then guarded. Raises OSError, NotInstalled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, graph_text(mode, graphs))


def graph_text(mode: FailureMode, graphs: Sequence[StateGraph]) -> str:
    """The HTML of such a page."""
    labels = zip(graphs, ("broken", "guarded"), "ab", strict=True)
    return filled(
        "graph.html.jinja",
        script="graph.js",
        mode=mode,
        scope=f"{mode.bounds.described(mode.scope)}; {mode.scope.granularity} granularity",
        pictures=[picture_of(graph, label=label, key=key) for graph, label, key in labels],
    )


def picture_of(graph: StateGraph, *, label: str, key: str) -> Picture:
    """The picture of a graph. `key` begins the id of each of its states."""
    places = _places(graph)
    left = min([x for x, _ in places])
    places = [(round(x - left + _MARGIN, 1), round(y + _MARGIN, 1)) for x, y in places]
    broken = graph.first_broken
    path = graph.path_to(broken.number) if broken else ()
    steps = set(pairwise(path))
    leads_on = {transition.before for transition in graph.transitions}
    actions = {(one.before, one.after): one.action for one in reversed(graph.transitions)}
    nodes = [
        Node(
            id=f"{key}{state.number}",
            x=places[state.number][0],
            y=places[state.number][1],
            kind=_kind(state, state.number in leads_on),
            on_path=state.number in path,
            title=_title(state),
            path=_actions_to(graph, state.number, actions),
            message=_message(state),
            ends=state.ends,
            tables=tables_of(state.durable, state.durable, None),
            paused=state.paused,
        )
        for state in graph.states
    ]
    edges = [
        Edge(
            line=_line(places[before], places[after]),
            kind=type(action).__name__,
            on_path=(before, after) in steps,
            before=f"{key}{before}",
            after=f"{key}{after}",
        )
        for (before, after), action in sorted(actions.items(), key=lambda pair: pair[0])
        if before != after
    ]
    said = f"breaks after {broken.depth} actions" if broken else "nothing breaks in any of them"
    return Picture(
        label=label,
        caption=f"{graph.reached:,} states, {len(graph.transitions):,} transitions: {said}",
        verdict="broken" if broken else "held",
        width=round(max([x for x, _ in places]) + _MARGIN),
        height=round(max([y for _, y in places]) + _MARGIN),
        nodes=tuple(nodes),
        edges=tuple(edges),
    )


def _places(graph: StateGraph) -> list[tuple[float, float]]:
    """Where each state stands. Raises NoTemplates."""
    try:
        from igraph import Graph
    except ModuleNotFoundError as error:
        raise NoTemplates(
            f"{error.name} is not installed; do `pip install 'reliability-habits[page]'`"
        ) from None
    depths = [state.depth for state in graph.states]
    edges = sorted({(one.before, one.after) for one in graph.transitions})
    on = [(before, after) for before, after in edges if depths[before] < depths[after]]
    drawn = Graph(n=len(depths), edges=on, directed=True)
    found = drawn.layout_sugiyama(layers=depths, maxiter=200).coords
    layers = [
        sorted([at for at in range(len(depths)) if depths[at] == depth], key=lambda at: (found[at][0], at))
        for depth in range(max(depths) + 1)
    ]
    places = {
        at: (STEP * (place - (len(layer) - 1) / 2), 2.0 * STEP * depth)
        for depth, layer in enumerate(layers)
        for place, at in enumerate(layer)
    }
    return [places[at] for at in range(len(depths))]


def _kind(state: GraphState, leads_on: bool) -> str:
    if state.finding is not None:
        return "broken"
    if state.off_target is not None:
        return "off"
    if state.number == 0:
        return "start"
    return "state" if leads_on else "end"


def _title(state: GraphState) -> str:
    described = changes(Durable(), state.durable)
    return f"after {state.depth} actions, at {state.now / 1000:g} s: {described or 'nothing is there'}"


def _message(state: GraphState) -> str:
    if state.finding is not None:
        where = "" if state.ends else "the recovery from here ends badly: "
        return f"{where}{state.finding.got}"
    return f"{state.off_target} breaks first: the path ends here" if state.off_target else ""


def _actions_to(graph: StateGraph, number: int, actions: dict[tuple[int, int], Action]) -> tuple[str, ...]:
    path = graph.path_to(number)
    return tuple([_action(actions[pair]) for pair in pairwise(path)])


def _action(action: Action) -> str:
    values = [getattr(action, field.name) for field in fields(type(action)) if field.name != "poison"]
    return " ".join([type(action).__name__, *[str(value) for value in values if value is not None]])


def _line(before: tuple[float, float], after: tuple[float, float]) -> str:
    """A curve from the lower end of one state to the upper end of another; back up it goes round."""
    (x, y), (to_x, to_y) = before, after
    if to_y > y:
        middle = round((y + to_y) / 2, 1)
        return f"M{x} {y}C{x} {middle} {to_x} {middle} {to_x} {to_y}"
    aside = round(max(x, to_x) + STEP, 1)
    return f"M{x} {y}C{aside} {y + STEP} {aside} {to_y - STEP} {to_x} {to_y}"
