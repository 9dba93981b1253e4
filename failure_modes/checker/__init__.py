"""The checker: the real queue and the model in lock-step, under every schedule a search can think of."""
