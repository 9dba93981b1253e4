"""Many runs: ablation of policies, searches with several seeds, and the time of each session."""
