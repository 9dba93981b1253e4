"""FM_005 lost job: the kata."""

from failure_modes.checker import Bounds, Kata, Scope

KATA = Kata(
    order=30,
    story="Worker B took the job that renews Tomasz's insurance, and crossed it off the list at once, so "
    "that no other worker would take it too. Then B was restarted for an update. No list has the job any "
    "more. Tomasz learned after an accident that he is not insured.",
    in_public="the documentation of RabbitMQ calls automatic acknowledgement, at the moment of delivery, "
    "unsafe; Celery acknowledges a task before it runs unless `acks_late` is set.",
    question="When is a job done: when a worker has got it, or when its work is in the store? What does "
    "the queue think here?",
    place="Look at the due time that the job has after it was leased: when may it be leased again?",
    requirement="A job that a worker has taken stays in the queue until its work is committed. Until the "
    "lease ends no other worker gets it; after that it is due again.",
    also=((Scope(), Bounds(jobs=1, ticks=2, crashes=2)),),
)
