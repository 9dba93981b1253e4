"""Tests of `failure_modes/checker/proof`."""
