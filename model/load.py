"""The load that retries and failures make, counted from audit rows. INV_006 is judged on it."""

from attrs import evolve, frozen

from model.events import Event, EventKind, Failure
from model.state import Durable, Settings


@frozen(kw_only=True)
class Load:
    """The times of retries, in ms; the failures since the last success, and the time of the last of them."""

    retries: tuple[int, ...] = ()
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
        recent = tuple([at for at in self.retries if at > now - settings.window_ms])
        open_still = self.failed_at is not None and now < self.failed_at + settings.open_ms
        return evolve(self, retries=recent, failed_at=self.failed_at if open_still else None)

    def set_back(self, now: int) -> "Load":
        """The load after the clock was set back to that time: what happened did not happen later than now."""
        failed_at = None if self.failed_at is None else min(self.failed_at, now)
        return evolve(self, retries=tuple([min(at, now) for at in self.retries]), failed_at=failed_at)

    def _with(self, event: Event, durable: Durable, settings: Settings) -> "Load":
        if event.event == EventKind.LEASED and settings.retries_max is not None and is_retry(event, durable):
            recent = [at for at in self.retries if at > event.at - settings.window_ms]
            return evolve(self, retries=(*recent, event.at))
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
