"""`make bench`: the streams' throughput and latency."""

from __future__ import annotations

from benchmarks.streams import main

main()
