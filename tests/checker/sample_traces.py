"""Traces for the tests of the checker: a small one, and a Hypothesis strategy for all of them."""

from hypothesis import strategies as st

from failure_modes.checker.experiment.scope import WORKER_NAMES, Granularity, Scope
from failure_modes.checker.traces.trace import Breaks, Trace
from model.actions import (
    PRODUCER,
    RECONCILERS,
    Action,
    Crash,
    Enqueue,
    Fail,
    Heartbeat,
    Reconcile,
    Step,
    Tick,
)
from model.invariants import INVARIANTS
from model.state import Settings

SMALL = Trace(
    failure_mode="FM_001",
    scope=Scope(workers=2),
    breaks=Breaks(invariant="INV_001", step=3),
    why="Nothing in particular.",
    actions=(Enqueue(key="k1"), Step(worker="A"), Tick(seconds=0.5), Reconcile()),
)

SMALL_TEXT = """\
{
  "format": 2,
  "failure_mode": "FM_001",
  "scope": {"workers": 2, "granularity": "transaction", "lease_seconds": 30, "attempts_max": 3, \
"backoff_seconds": 1, "backoff_max_seconds": 60},
  "breaks": {"invariant": "INV_001", "step": 3},
  "why": "Nothing in particular.",
  "actions": [
    {"action": "Enqueue", "key": "k1"},
    {"action": "Step", "worker": "A"},
    {"action": "Tick", "seconds": 0.5},
    {"action": "Reconcile"}
  ]
}
"""

_MILLISECONDS = st.integers(min_value=1, max_value=10**12)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Every trace that can be: of any failure mode, in any scope, with any actions, breaking anything."""
    scope = draw(
        st.builds(
            Scope,
            workers=st.integers(1, len(WORKER_NAMES)),
            granularity=st.sampled_from(Granularity),
            settings=st.builds(
                Settings,
                lease_ms=_MILLISECONDS,
                attempts_max=st.integers(1, 10**9),
                backoff_ms=_MILLISECONDS,
                backoff_max_ms=_MILLISECONDS,
                reconcile_batch=st.integers(1, 10**9),
            ),
            reconcilers=st.integers(1, len(RECONCILERS)),
            worker_attempts_max=st.none() | st.integers(1, 10**9),
        )
    )
    actions = tuple(draw(st.lists(_actions(scope), max_size=12)))
    steps = st.integers(1, len(actions)) if actions else st.nothing()
    return Trace(
        failure_mode=draw(st.none() | st.from_regex(r"\AFM_[0-9]{3}\Z")),
        scope=scope,
        breaks=Breaks(
            invariant=draw(st.sampled_from([rule.id for rule in INVARIANTS])),
            step=draw(st.none() | steps),
        ),
        why=draw(st.text(st.characters())),
        actions=actions,
    )


def _actions(scope: Scope) -> st.SearchStrategy[Action]:
    workers = st.sampled_from((*scope.names, PRODUCER, *scope.reconciler_names))
    moves = [st.builds(kind, worker=workers) for kind in (Step, Fail, Heartbeat, Crash)]
    return st.one_of(
        *moves,
        st.builds(Enqueue, key=st.text(st.characters(codec="utf-8"), min_size=1), poison=st.booleans()),
        st.builds(Tick, seconds=_MILLISECONDS.map(lambda milliseconds: milliseconds / 1000)),
        st.builds(Tick, seconds=st.integers(1, 10**9)),
        st.builds(Reconcile, process=st.sampled_from(scope.reconciler_names)),
    )
