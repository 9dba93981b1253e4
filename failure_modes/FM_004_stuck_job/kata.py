"""FM_004 stuck job: the kata."""

from failure_modes.checker import Bounds, Kata, Scope

KATA = Kata(
    order=20,
    story="The machine that ran worker A lost its power at noon, while A sent out the salary of Mei. A had "
    "the job, and nobody else may take a job that a worker has. At the end of the month Mei still has no "
    "salary, and the queue still says that her job is being done.",
    in_public="the documentation of Redis on distributed locks says why each lock there has a time after "
    "which it is released by itself: a client that dies would otherwise hold it for ever.",
    question="A worker died, and cannot say so. How does the queue learn that its job is free again?",
    place="Look at how long the lease is that the worker gets.",
    requirement="A worker holds a job for `lease_ms` at most, unless it extends the lease. After that time "
    "the job may be leased again, and the execution of the worker that had it is ABORTED in the same "
    "transaction, with the event EXPIRED. If it was the last attempt, the job is buried instead "
    "(`policies.retry.bury_if_spent`).",
    also=((Scope(), Bounds(jobs=1, ticks=2, crashes=1)),),
)
