"""Tests of the katas: what a learner gets, and how their code is judged."""
