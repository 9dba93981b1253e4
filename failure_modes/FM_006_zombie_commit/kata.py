"""FM_006 zombie commit: the kata."""

from failure_modes.checker import Bounds, Kata, Scope

KATA = Kata(
    order=80,
    story="Worker A fell asleep in the middle of Olga's order: its machine was suspended. Its lease ran "
    "out, worker B got the order, and began. Then A woke up. It found that the order was locked, and took "
    "the lock for its own. What A sent was the order as it had been an hour before.",
    in_public="in April 2018 a user of Agenda, a queue for Node.js, reported that a worker whose lock has "
    "expired may still finish the job, while another worker has it.",
    address="https://github.com/agenda/agenda/issues/589",
    question="The job is locked, that is right. But by whom?",
    place="Look at what is asked of the job, and at what is not asked of the execution that wants to commit.",
    requirement="Only an execution that is LEASED or IN_PROGRESS, and whose lease has not ended, may "
    "commit (`fence.refusal(execution, tx.now)`), and only after it was started.",
    also=((Scope(), Bounds(jobs=1, ticks=1, crashes=1, heartbeats=1)),),
)
