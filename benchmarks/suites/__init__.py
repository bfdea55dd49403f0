"""The suites that benchmarks.testing runs: one scenario, in this package's test kit and in
Channels'.
"""
