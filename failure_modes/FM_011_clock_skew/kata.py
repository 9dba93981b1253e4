"""FM_011 clock skew: the kata."""

from failure_modes.checker import Bounds, Kata, Scope

KATA = Kata(
    order=100,
    story="The clock of worker B ran half a minute fast. Each lease is half a minute long. So whatever "
    "worker A had just begun looked abandoned to B, which took it over. On that day each parcel of Anna's "
    "shop was sent twice. (`AHEAD_MS` is how wrong the clocks are. You cannot mend the clocks.)",
    in_public='the article "How to do distributed locking" by Martin Kleppmann (2016) warns that a lock '
    "whose end is judged by several clocks can be held twice when one of them jumps; the paper of Google "
    "on Spanner (2012) tells what it takes to trust clocks.",
    question="Two workers ask if the same lease has ended. Which clock answers?",
    place="Look at the store that is handed on: whose time does it tell?",
    requirement="Whether a job is due, and when its lease ends, is judged by the time of the transaction "
    "(`tx.now`), and by no clock of a worker.",
    also=((Scope(), Bounds(jobs=1, ticks=1, heartbeats=1)),),
    facts=("AHEAD_MS",),
)
