"""FM_001 duplicate retry: the kata."""

from failure_modes.checker import Bounds, Kata, Scope

KATA = Kata(
    order=60,
    story="On the first of the month Ines was charged her rent twice. The worker that charged her was "
    "slow: its lease ran out, a second worker got the job, and both wrote their charge. No error was "
    "logged, both attempts say that they succeeded, and Ines's account was empty for a week.",
    in_public="in October 2018 the Open Humans imputation service found that Celery, with Redis, had "
    "handed out tasks a second time after 60 minutes, its visibility timeout, because the first delivery "
    "had not been acknowledged.",
    address="https://github.com/arvkevi/openhumansimputer/issues/38",
    question="Two attempts at one job are both alive, and both call `commit`. Which of them may write, and "
    "how can the second one know that it is the second?",
    place="Look at what the transaction reads before it writes. Then look at what becomes of the job "
    "itself after the commit.",
    requirement="A job gets at most one effect, whichever of its attempts come to commit, and in which "
    "order. A commit adds the effect and moves the execution to COMMITTED. A refused commit returns False "
    "and writes nothing but an audit row that says why (`refuse`).",
    also=((Scope(), Bounds(jobs=1, ticks=1, crashes=1, failures=1, heartbeats=1)),),
)
