"""FM_013 overeager recovery: the kata."""

from failure_modes.checker import Bounds, Kata, Scope, Settings

KATA = Kata(
    order=130,
    story="A program looks for workers that died, and takes their jobs away. It made a list, and was then "
    "held up for a while. When it went through its list, Clara's worker had long sent the next sign of "
    "life, and had nearly done her operation plan. Its work was taken away, and thrown away.",
    in_public="in September 2012 GitHub reported that the automated failover of its main database, which "
    "had judged a server that was alive, was itself the cause of two outages.",
    question="The list was right when it was made. What makes it wrong?",
    place="Look at which facts are read before the transaction begins, and used after that.",
    requirement="Recovery ends only executions whose lease has ended, as they are in the transaction that "
    "ends them: one that is COMMITTED becomes DONE (event FINISHED, reason ABANDONED), another one "
    "ABORTED (event EXPIRED), and then its job is buried if its attempts are spent "
    "(`retry.bury_if_spent`). It never touches an execution that is DONE or ABORTED.",
    also=(
        (Scope(tick_seconds=(20,)), Bounds(jobs=1, ticks=2, heartbeats=1, reconciles=1)),
        (Scope(settings=Settings(attempts_max=1)), Bounds(jobs=1, ticks=1, crashes=1, reconciles=1)),
    ),
)
