"""FM_001 duplicate retry: the kata."""

from failure_modes.checker import Bounds, Kata, Scope

KATA = Kata(
    order=60,
    story="On the first of the month Ines was charged her rent twice. The worker that charged her was "
    "slow: its lease ran out, a second worker got the job, and both wrote their charge. No error was "
    "logged, both attempts say that they succeeded, and Ines's account was empty for a week.",
    in_public="the documentation of Celery warns that a task that is not acknowledged within the "
    "visibility timeout is delivered to another worker and run again; the standard queues of Amazon SQS "
    "promise delivery at least once, and no more.",
    question="Two attempts at one job are both alive, and both call `commit`. Which of them may write, and "
    "how can the second one know that it is the second?",
    place="Look at what the transaction reads before it writes. Then look at what becomes of the job "
    "itself after the commit.",
    requirement="A job gets at most one effect, whichever of its attempts come to commit, and in which "
    "order. A commit adds the effect and moves the execution to COMMITTED. A refused commit returns False "
    "and writes nothing but an audit row that says why (`refuse`).",
    also=((Scope(), Bounds(jobs=1, ticks=1, crashes=1, failures=1, heartbeats=1)),),
)
