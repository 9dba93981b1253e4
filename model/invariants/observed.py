"""The values that an invariant judges: one durable commit, or the end of a run.

They hold durable rows, audit rows and the faults of the run, and nothing of the model's own state. So an
invariant holds or breaks for any queue whose rows can be read into these values.
"""

from attrs import field, frozen

from model.events import Event
from model.load import Load
from model.state import Durable, Settings


@frozen(kw_only=True)
class Change:
    """One durable commit: the rows before and after, its audit rows, the process and the time it read.

    `load` is the load of retries and failures before it, under the limits of the `settings`. `jobs_seen` are
    the jobs that no other transaction held when it looked for one; None if transactions exclude each other.
    `asked_at` is the time at which it read the limits, if that was before `at`.
    """

    before: Durable
    after: Durable
    events: tuple[Event, ...]
    actor: str
    at: int
    load: Load = field(factory=Load)
    settings: Settings = field(factory=Settings)
    jobs_seen: frozenset[int] | None = None
    asked_at: int | None = None


@frozen(kw_only=True)
class InjectedFault:
    """An event that the run did to a job: a `crash`, a `failure` of its handler, or a `duplicate` enqueue."""

    kind: str
    job: int
    execution: int | None = None


@frozen(kw_only=True)
class Ending:
    """The end of a run: recovery has run, and nothing changes any more.

    `accepted` are the keys whose enqueue committed. `settled` is False when the bound on rounds was reached.
    `external`: a gateway charges for the payload of each job.
    """

    final: Durable
    events: tuple[Event, ...]
    accepted: tuple[str, ...]
    faults: tuple[InjectedFault, ...]
    settled: bool
    external: bool = False
