"""The checker: the real queue and its model in lock-step, under every schedule that a search can think of.

The idea, from left to right:

    action  ──►  boundary  ──►  oracle  ──►  verdict

- An **action** says which process moves: `Enqueue`, `Step`, `Fail`, `Heartbeat`, `Crash`, `Reconcile`; or
  that time passes (`Tick`) or power fails (`PowerLoss`). It does not say what the process does: a worker is a
  program, and each `Step` runs it on.
- The process runs the real code up to its next **boundary**: before its next transaction, or before its next
  statement. There it pauses, and any other process may move. This is how a race is a list of actions.
- Two **oracles** judge each action. The *model* takes the same action, and the rows in the store must be the
  rows that the model says: if not, the two have diverged. The *invariants* judge what the system did, without
  the model. At the end recovery runs and a fair schedule, and what is left is judged, too.
- The **verdict** is nothing, or a finding: the invariant, and the shortest list of actions that breaks it.

A `FailureMode` is a fault and where to look for it: `fault` puts a broken policy into a right queue; `scope`
says how many workers there are; `strategy` says how a search draws its actions, `bounds` how many of each a
proof tries; `expected` has the numbers that must come of them. All of it in a dozen lines:

>>> from failure_modes.checker import catalogue, find, prevent, prove, replay, trace_of
>>> mode = catalogue()[0]
>>> found = find(mode)                   # search the broken queue; minimise what was found
>>> found.finding.invariant == mode.breaks
True
>>> prevent(mode).finding is None        # the same search on the right queue finds nothing
True
>>> prove(mode, broken=True).shortest == mode.expected.shortest == len(found.actions)
True
>>> held = prove(mode, broken=False)     # every reachable state of the right queue: nothing breaks
>>> (held.complete, held.finding, held.counts.states) == (True, None, mode.expected.states)
True
>>> trace = trace_of(mode, mode.scope, found, why="Found by the first seed.")
>>> replay(trace).as_expected, replay(trace, guarded=True).as_expected
(True, True)

`Adapter` is for a queue that is not ours. `QueueMachine` is the Hypothesis state machine of any queue, and of
ours: `docs/your_queue.md` shows whole test files.

These are the names that a scenario and its tests need. A scenario imports them from here, and what its fault
is made of from `system.policies`. A name is imported when it is first asked for, so that a command that needs
little starts quickly. `docs/architecture.md` says what is in each package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from failure_modes.checker.experiment.bounds import Bounds as Bounds
    from failure_modes.checker.experiment.catalogue import AlsoBreaks as AlsoBreaks
    from failure_modes.checker.experiment.catalogue import Expected as Expected
    from failure_modes.checker.experiment.catalogue import FailureMode as FailureMode
    from failure_modes.checker.experiment.catalogue import catalogue as catalogue
    from failure_modes.checker.experiment.catalogue import failure_mode as failure_mode
    from failure_modes.checker.experiment.findings import Found as Found
    from failure_modes.checker.experiment.granularity import Granularity as Granularity
    from failure_modes.checker.experiment.scope import Scope as Scope
    from failure_modes.checker.experiment.scope import StoreKind as StoreKind
    from failure_modes.checker.experiment.scope import guarded as guarded
    from failure_modes.checker.experiment.strategy import Strategy as Strategy
    from failure_modes.checker.experiment.target import DIVERGENCE as DIVERGENCE
    from failure_modes.checker.experiment.target import Target as Target
    from failure_modes.checker.oracle.lockstep import Lockstep as Lockstep
    from failure_modes.checker.report.rendering import rendered as rendered
    from failure_modes.checker.report.summary import trace_of as trace_of
    from failure_modes.checker.search.plans import find as find
    from failure_modes.checker.search.plans import prevent as prevent
    from failure_modes.checker.search.plans import prove as prove
    from failure_modes.checker.search.queue_machine import QueueMachine as QueueMachine
    from failure_modes.checker.search.shared_runs import NeverReached as NeverReached
    from failure_modes.checker.simulation.foreign import ForeignContext as ForeignContext
    from failure_modes.checker.simulation.foreign import JobFailed as JobFailed
    from failure_modes.checker.subject.absent_policies import without as without
    from failure_modes.checker.subject.adapter import Adapter as Adapter
    from failure_modes.checker.subject.adapter import Claim as Claim
    from failure_modes.checker.subject.adapter import Status as Status
    from failure_modes.checker.subject.adapter import Topic as Topic
    from failure_modes.checker.subject.adapter import handle as handle
    from failure_modes.checker.subject.pragmas import unsynced as unsynced
    from failure_modes.checker.subject.pragmas import with_pragmas as with_pragmas
    from failure_modes.checker.traces.replay import replay as replay
    from failure_modes.checker.traces.trace import Breaks as Breaks
    from failure_modes.checker.traces.trace import Trace as Trace
    from failure_modes.checker.traces.trace_reader import load as load
    from failure_modes.checker.traces.trace_text import trace_from_text as trace_from_text
    from failure_modes.checker.training.kata import Kata as Kata
    from model.state import Settings as Settings
    from system.clock import Clock as Clock
    from system.queue import Queue as Queue

_HOME = {
    "failure_modes.checker.experiment.bounds": "Bounds",
    "failure_modes.checker.experiment.catalogue": "AlsoBreaks Expected FailureMode catalogue failure_mode",
    "failure_modes.checker.experiment.findings": "Found",
    "failure_modes.checker.experiment.granularity": "Granularity",
    "failure_modes.checker.experiment.scope": "Scope StoreKind guarded",
    "failure_modes.checker.experiment.strategy": "Strategy",
    "failure_modes.checker.experiment.target": "DIVERGENCE Target",
    "failure_modes.checker.oracle.lockstep": "Lockstep",
    "failure_modes.checker.report.rendering": "rendered",
    "failure_modes.checker.report.summary": "trace_of",
    "failure_modes.checker.search.plans": "find prevent prove",
    "failure_modes.checker.subject.absent_policies": "without",
    "failure_modes.checker.subject.pragmas": "unsynced with_pragmas",
    "failure_modes.checker.search.queue_machine": "QueueMachine",
    "failure_modes.checker.search.shared_runs": "NeverReached",
    "failure_modes.checker.simulation.foreign": "ForeignContext JobFailed",
    "failure_modes.checker.subject.adapter": "Adapter Claim Status Topic handle",
    "failure_modes.checker.traces.replay": "replay",
    "failure_modes.checker.traces.trace": "Breaks Trace",
    "failure_modes.checker.traces.trace_reader": "load",
    "failure_modes.checker.traces.trace_text": "trace_from_text",
    "failure_modes.checker.training.kata": "Kata",
    "model.state": "Settings",
    "system.clock": "Clock",
    "system.queue": "Queue",
}
"""Where each public name is defined. Type checkers read the imports above; a test compares the two."""

_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """The public name, imported when it is first asked for."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
