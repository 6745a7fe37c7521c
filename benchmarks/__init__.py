"""What docs/performance.md quotes: each measure against its yardstick, both in one run; `python -m benchmarks`."""
