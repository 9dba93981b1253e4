"""How much load retries and failures make, as it was observed; and when that is a storm.

The retry budget and the circuit breaker promise a bound (Google, "Site Reliability Engineering", chapter 22).
Here it is judged on the leases and failures that the audit tells of. How a queue keeps its limits, and
whether it wrote them down, is not asked.
"""

from attrs import evolve, frozen

from model.events import Event
from model.state import Durable, Settings


@frozen(kw_only=True)
class Load:
    """When retries began, in ms; the failures since the last success, and when the last of them was."""

    retries: tuple[int, ...] = ()
    failures: int = 0
    failed_at: int | None = None

    def after(self, events: tuple[Event, ...], durable: Durable, settings: Settings) -> "Load":
        """The load after these events; without limits nothing is counted."""
        load = self
        for event in events:
            load = load._with(event, durable, settings)
        return load

    def left(self, now: int, settings: Settings) -> "Load":
        """The part that still matters: times out of the window are left out."""
        recent = tuple([at for at in self.retries if at > now - settings.window_ms])
        open_still = self.failed_at is not None and now < self.failed_at + settings.open_ms
        return evolve(self, retries=recent, failed_at=self.failed_at if open_still else None)

    def _with(self, event: Event, durable: Durable, settings: Settings) -> "Load":
        if event.event == "leased" and settings.retries_max is not None and _is_retry(event, durable):
            recent = [at for at in self.retries if at > event.at - settings.window_ms]
            return evolve(self, retries=(*recent, event.at))
        if settings.failures_max is None:
            return self
        if event.event in ("committed", "finished"):
            return evolve(self, failures=0, failed_at=None)
        if event.event == "failed":
            last = event.at if self.failed_at is None else max(self.failed_at, event.at)
            return evolve(self, failures=min(self.failures + 1, settings.failures_max), failed_at=last)
        return self


def storm(load: Load, events: tuple[Event, ...], durable: Durable, settings: Settings) -> str | None:
    """The first lease that the limits do not allow after this load, in words; None if there is none."""
    for event in events:
        if event.event == "leased":
            breach = _breach(load, event, durable, settings)
            if breach:
                return breach
        load = load.after((event,), durable, settings)
    return None


def _breach(load: Load, lease: Event, durable: Durable, settings: Settings) -> str | None:
    now = load.left(lease.at, settings)
    if settings.retries_max is not None and _is_retry(lease, durable):
        number = len(now.retries) + 1
        if number > settings.retries_max:
            within = f"within {settings.window_ms / 1000:g}s, and the budget is {settings.retries_max}"
            return f"exec-{lease.execution} is retry {number} {within}"
    in_a_row = settings.failures_max is not None and now.failures >= settings.failures_max
    if in_a_row and now.failed_at is not None:
        since = f"{(lease.at - now.failed_at) / 1000:g}s after failure {now.failures} in a row"
        promised = f"the breaker is open for {settings.open_ms / 1000:g}s"
        return f"exec-{lease.execution} was leased {since}, and {promised}"
    return None


def _is_retry(lease: Event, durable: Durable) -> bool:
    """Whether the job had been leased before, whatever number the attempt was given."""
    executions = durable.executions_of(lease.job)
    return bool(executions) and executions[0].id != lease.execution
