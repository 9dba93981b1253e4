"""Tests of `failure_modes/checker/simulation`."""
