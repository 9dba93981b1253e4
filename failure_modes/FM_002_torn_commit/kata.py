"""FM_002 torn commit: the kata."""

from failure_modes.checker import Bounds, Kata, Scope

KATA = Kata(
    order=70,
    story="The bank moved 900 from Joao's account. The program wrote the money first, and then that it was "
    "moved. Between the two the machine was restarted. A clerk saw a transfer that says it never "
    "happened, and booked it again by hand.",
    in_public="in May 2022 a health report was processed twice by ReportStream of the CDC: the task of the "
    "next step had been written, and the mark that this step was complete had not.",
    address="https://github.com/CDCgov/prime-reportstream/issues/5571",
    question="What does a reader see who looks between your two writes?",
    place="Look at where each `with store.transaction()` ends: at each end everything that was written is "
    "there for all to see.",
    requirement="An effect and the record that its execution is COMMITTED are never seen one without the "
    "other, whenever somebody looks, or the process dies.",
    also=((Scope(), Bounds(jobs=1, ticks=1, crashes=1, heartbeats=1, reconciles=1)),),
)
