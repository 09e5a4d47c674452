"""Clients, each a process of its own: `python -m benchmarks.client KIND OPTIONS`, OPTIONS as JSON.

It connects, prints `ready`, and for each line `go` does its work and prints one line of JSON about it. At the
end of its input it closes its connections.
"""
