"""FM_009 lease race: the kata."""

from failure_modes.checker import Bounds, Kata, Scope, Settings

KATA = Kata(
    order=110,
    story="Two workers were idle. Both asked for the next job, both saw Paul's, and both took it. Paul was "
    "called by two doctors at the same time, who both had his file, and each wrote into it what the other "
    "one then wrote over.",
    in_public="in May 2015 Egor Homakov showed that two transfers at the same time could both move the "
    "same 5 dollars from one Starbucks gift card to another.",
    address="https://www.siliconrepublic.com/enterprise/"
    "starbucks-gift-card-hack-found-giving-unlimited-funds",
    question="What can happen between the moment at which you read the job, and the moment at which you "
    "write that it is yours?",
    place="Look at the two transactions. What does the second one know of the job that it takes?",
    requirement="No two executions ever hold one job at once. The job that is taken is the one that "
    "`tx.next_available(retries=…)` gives; None means that no job is due. Whatever is read to decide is "
    "read in the transaction that writes.",
    also=(
        (Scope(), Bounds(jobs=2, ticks=1)),
        (Scope(settings=Settings(attempts_max=1)), Bounds(jobs=1, ticks=1, crashes=1)),
    ),
)
