"""Faults on demand, counters, and the API with which tests and demonstrations steer the sandbox."""
