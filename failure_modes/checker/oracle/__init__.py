"""One action on the system and on the model, then the judgement: lock-step, liveness, what was reached.

What happens to an action in this package:

1. `Lockstep.apply` (`lockstep.py`) calls the four parts of a run, in this order.
2. `SystemSide` (`system_side.py`) moves the system, reads what it did, and notes what its database chose.
3. `Reference` (`reference.py`) takes the same action on the model.
4. `Ledger` (`ledger.py`) keeps a `Record` (`records.py`) and counts the faults that were injected.
   `sometimes.py` recognises in the records the situations that a search must meet.
5. `Judge` (`judge.py`) judges the change by the invariants. Then `Reference` compares rows, audit and phase;
   a difference goes to the judge. A finding is raised, and ends the run.

At the end, `liveness.py` runs recovery and a fair schedule, and `Judge` judges what is left. `describe.py`
puts events, changes and differences into words. Each part gives and takes a frozen value of its own;
together they are a `Snapshot`, which a run can be restored to.

A search or a replay sees a run through `run.py` alone, so that a subject without a model can be run as well.

This package must not know how actions are chosen: no search, no proof, no trace.
"""
