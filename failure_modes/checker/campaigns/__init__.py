"""Many runs: policies switched off, ten seeds, hunts, how long each session takes."""
