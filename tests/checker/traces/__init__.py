"""Tests of `failure_modes/checker/traces`."""
