"""The pure reference model of the queue: no I/O, no clock, no randomness, no import of `system`."""
