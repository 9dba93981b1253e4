"""INV_006: after failures, attempts are bounded by the limits that were set.

The retry budget and the circuit breaker promise a bound (Google, "Site Reliability Engineering", chapter 22).
The leases and failures in the audit rows are judged. The rows in which a queue keeps its limits are not read.
"""

from model.events import Event, EventKind
from model.invariants.observed import Change
from model.load import Load, is_retry
from model.state import Durable, Settings


def attempts_are_bounded(change: Change) -> str | None:
    """No lease beyond what the retry budget and the circuit breaker allow."""
    load = change.load
    for event in change.events:
        if event.event == EventKind.LEASED:
            breach = _breach(load, event, change.after, change.settings)
            if breach:
                return breach
        load = load.after((event,), change.after, change.settings)
    return None


def _breach(load: Load, lease: Event, durable: Durable, settings: Settings) -> str | None:
    now = load.still_counted(lease.at, settings)
    if settings.retries_max is not None and is_retry(lease, durable):
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
