"""FM_013 overeager recovery: the kata."""

from failure_modes.checker import Bounds, Kata, Scope, Settings

KATA = Kata(
    order=130,
    story="A program looks for workers that died, and takes their jobs away. It made a list, and was then "
    "held up for a while. When it went through its list, Clara's worker had long sent the next sign of "
    "life, and had nearly done her operation plan. Its work was taken away, and thrown away.",
    in_public="in June 2025 jobs of Solid Queue ended both as finished and as failed: another process "
    "judged their worker dead, and failed its jobs, while that worker was alive and finished them.",
    address="https://github.com/rails/solid_queue/issues/589",
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
