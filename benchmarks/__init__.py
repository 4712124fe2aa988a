"""Benchmarks: engine, sweep, features, start and growth against the budgets; never timed tests."""
