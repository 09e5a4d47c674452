"""Measure the server beside others in one interleaved run: `python -m benchmarks --help`."""
