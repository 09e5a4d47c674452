"""Load with faults, for as long as asked, and every message checked: `python -m benchmarks.soak`."""
