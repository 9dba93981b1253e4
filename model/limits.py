"""The wait before a retry, and the limits on retries: the model's side of three policies.

Full jitter is Marc Brooker's, "Exponential Backoff And Jitter" (2015). Here it is a function of the seed, the
job and the attempt, so that a run can be run again. The retry budget is the store's, for a window of time.
The circuit breaker is Michael Nygard's, "Release It!" (2007): closed, open, or half open.
"""

from hashlib import blake2b

from attrs import evolve

from model.state import Breaker, Durable, Execution, Settings


def wait_ms(settings: Settings, failed: Execution) -> int:
    """The wait after that execution has failed."""
    backoff: int = min(settings.backoff_max_ms, settings.backoff_ms * 2 ** (failed.attempt - 1))
    if settings.jitter_seed is None:
        return backoff
    text = f"{settings.jitter_seed}:{failed.job}:{failed.attempt}".encode()
    return backoff * int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 64


def has_room(settings: Settings, durable: Durable, now: int) -> bool:
    """True if the budget has room for a retry."""
    return settings.retries_max is None or len(_recent(settings, durable, now)) < settings.retries_max


def retried(settings: Settings, durable: Durable, now: int) -> Durable:
    """The state after one more retry, without the retries that are out of the window."""
    if settings.retries_max is None:
        return durable
    return evolve(durable, retries=tuple(sorted([*_recent(settings, durable, now), now])))


def _recent(settings: Settings, durable: Durable, now: int) -> list[int]:
    """The retries within the window."""
    return [at for at in durable.retries if at > now - settings.window_ms]


def is_open(durable: Durable, now: int) -> bool:
    """True if the breaker allows no lease."""
    until = durable.breaker.open_until_at
    return until is not None and now < until


def probed(settings: Settings, durable: Durable, now: int) -> Durable:
    """The state after a lease. If the breaker was open, the lease is a probe, and the time begins anew."""
    if durable.breaker.open_until_at is None:
        return durable
    return evolve(durable, breaker=evolve(durable.breaker, open_until_at=now + settings.open_ms))


def failed(settings: Settings, durable: Durable, now: int) -> tuple[Durable, bool]:
    """The state after a failure; True with it if the failure opened the breaker."""
    if settings.failures_max is None:
        return durable, False
    failures = min(durable.breaker.failures + 1, settings.failures_max)
    opens = failures == settings.failures_max
    until = now + settings.open_ms if opens else None
    return evolve(durable, breaker=Breaker(failures=failures, open_until_at=until)), opens
