"""One action on the system and on the model, then the judgement: lock-step, liveness, what was reached."""
