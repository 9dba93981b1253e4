"""A trace in a line of text: nothing of it is lost, and what is no trace is refused."""

import re

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.trace import Breaks, Trace, TraceError
from failure_modes.checker.traces.trace_text import trace_from_text, trace_to_text
from model.actions import ACTIONS, Action, Enqueue, Reconcile, Step, Tick

SHORT = "FM_001 breaks INV_001 at step 2: Enqueue k1, Step A"


def test_every_kept_trace_comes_back() -> None:
    """All but the sentence that is kept with it."""
    for path, trace in all_kept():
        assert trace_from_text(trace_to_text(trace)) == evolve(trace, why=""), path.name


@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.builds(Enqueue, key=st.text(min_size=1), poison=st.booleans()),
            st.sampled_from((Step(worker="A"), Step(worker="B"), Reconcile())),
            st.builds(Tick, seconds=st.sampled_from((30, 0.5))),
        ),
        min_size=1,
    )
)
def test_whatever_a_key_is_the_trace_comes_back(actions: list[Action]) -> None:
    """A key may look like a number, like a number of times, or have quotes and spaces."""
    breaks = Breaks(invariant="INV_001", step=1)
    trace = Trace(failure_mode="FM_001", scope=Scope(), breaks=breaks, why="", actions=tuple(actions))
    text = trace_to_text(trace)
    assert trace_from_text(text) == trace
    assert "\n" not in text


def test_the_text_is_short_and_says_all() -> None:
    """Repeated actions are counted, and only what is unusual is said of the scope."""
    trace = trace_from_text(
        """FM_001 diverges at the end, with workers=1, granularity=statement:
        Enqueue k1 poison=true, Step A x3, Tick 0.5, Reconcile"""
    )
    assert trace.actions[0] == Enqueue(key="k1", poison=True)
    assert trace.actions[1:4] == (Step(worker="A"),) * 3
    assert (trace.scope.workers, trace.breaks) == (1, Breaks(invariant=None, step=None))
    again = "with workers=1, granularity=statement: Enqueue k1 poison=true, Step A x3, Tick 0.5, Reconcile"
    assert trace_to_text(trace) == f"FM_001 diverges at the end, {again}"
    assert trace_to_text(evolve(trace, failure_mode=None)).startswith(
        "the guarded system diverges at the end"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot read"),
        ("FM_001 breaks INV_001: Step A", "cannot read"),
        (SHORT.replace("INV_001", "INV_999"), "unknown invariant"),
        (SHORT.replace("step 2", "step 3"), "'step' is 3"),
        (SHORT.replace("Step", "Stp"), 'unknown action "Stp"'),
        (SHORT.replace("Step A", "Step Z"), 'there is no worker "Z"'),
        (SHORT.replace("Step A", "Step"), "it takes worker"),
        (SHORT.replace("Step A", "Step A B"), "it takes worker"),
        (SHORT.replace("Step A", "Tick soon"), "Tick: bad argument"),
        (SHORT.replace("2:", "2, with workers=0:"), "'workers' is 0"),
        (SHORT.replace("2:", "2, with people=2:"), "'scope' is"),
        (f"{SHORT}, , Step A", "cannot read"),
    ],
)
def test_what_is_no_trace_is_refused(text: str, said: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(TraceError, match=re.escape(said)):
        trace_from_text(text)


def test_every_action_can_be_written() -> None:
    """An action of the alphabet is a word that the text knows."""
    for kind in ACTIONS:
        assert re.fullmatch(r"\w+", kind.__name__)
