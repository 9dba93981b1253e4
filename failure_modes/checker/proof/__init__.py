"""Every reachable state of a scope: frontier, successors, fingerprint, shards, checkpoint."""
