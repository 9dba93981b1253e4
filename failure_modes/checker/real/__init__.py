"""Real processes: fidelity of the simulation, chaos, and the disk images after a loss of power."""
