"""How much time passes at once: sizes that follow from the settings, so that each wait of theirs can run out.

In it: the waits themselves, and the moments just before and just after the end of a lease.
"""

from model.state import Settings


def waits_of(settings: Settings) -> tuple[float, ...]:
    """The waits that the settings make, in seconds, each once: a lease, a backoff, a window, an open breaker.

    The window and the open breaker are there only where there is a budget, or a breaker.
    """
    waits = [settings.lease_ms, settings.backoff_ms]
    if settings.retries_max is not None:
        waits.append(settings.window_ms)
    if settings.failures_max is not None:
        waits.append(settings.open_ms)
    return _seconds(waits)


def ticks_of(settings: Settings) -> tuple[float, ...]:
    """The waits, a lease but for a millisecond, and a millisecond."""
    edges = [settings.lease_ms, max(1, settings.lease_ms - 1), 1]
    return tuple(dict.fromkeys([*_seconds(edges), *waits_of(settings)]))


def _seconds(waits: list[int]) -> tuple[float, ...]:
    """In seconds, each once; none for no wait at all."""
    return tuple(dict.fromkeys([_in_seconds(wait) for wait in waits if wait]))


def _in_seconds(milliseconds: int) -> float:
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000
