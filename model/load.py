"""The load that retries and failures make, counted from audit rows. INV_006 is judged on it."""

from attrs import evolve, frozen

from model.events import Event, EventKind, Failure
from model.state import Durable, Settings


@frozen(kw_only=True)
class Load:
    """The times of retries, in ms; the failures since the last success, and the time of the last of them.

    `later`: the times of retries as they were written, if the clock was set back since; else None.
    """

    retries: tuple[int, ...] = ()
    later: tuple[int, ...] | None = None
    failures: int = 0
    failed_at: int | None = None

    def after(self, events: tuple[Event, ...], durable: Durable, settings: Settings) -> "Load":
        """The load after these events. Without limits nothing is counted."""
        load = self
        for event in events:
            load = load._with(event, durable, settings)
        return load

    def still_counted(self, now: int, settings: Settings) -> "Load":
        """The part that still matters, without the times that are out of the window."""
        begins = now - settings.window_ms
        recent = tuple([at for at in self.retries if at > begins])
        written = tuple([at for at in self.written if at > begins])
        later = None if written == recent else written
        open_still = self.failed_at is not None and now < self.failed_at + settings.open_ms
        failed_at = self.failed_at if open_still else None
        return evolve(self, retries=recent, later=later, failed_at=failed_at)

    def set_back(self, now: int) -> "Load":
        """The load after the clock was set back to that time: what happened did not happen later than now."""
        failed_at = None if self.failed_at is None else min(self.failed_at, now)
        retries = tuple([min(at, now) for at in self.retries])
        later = None if self.written == retries else self.written
        return evolve(self, retries=retries, later=later, failed_at=failed_at)

    @property
    def written(self) -> tuple[int, ...]:
        """The times of retries as they were written."""
        return self.retries if self.later is None else self.later

    def _with(self, event: Event, durable: Durable, settings: Settings) -> "Load":
        if event.event == EventKind.LEASED and settings.retries_max is not None and is_retry(event, durable):
            load = self.still_counted(event.at, settings)
            later = None if load.later is None else (*load.later, event.at)
            return evolve(self, retries=(*load.retries, event.at), later=later)
        if settings.failures_max is None:
            return self
        if event.event in (EventKind.COMMITTED, EventKind.FINISHED):
            return evolve(self, failures=0, failed_at=None)
        if event.event == EventKind.FAILED and event.detail != Failure.RELEASED:
            last = event.at if self.failed_at is None else max(self.failed_at, event.at)
            return evolve(self, failures=min(self.failures + 1, settings.failures_max), failed_at=last)
        return self


def is_retry(lease: Event, durable: Durable) -> bool:
    """True if the job had been leased before, whatever the number of the attempt."""
    executions = durable.executions_of(lease.job)
    return bool(executions) and executions[0].id != lease.execution
