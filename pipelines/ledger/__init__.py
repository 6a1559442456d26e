"""Proof that nothing was lost or counted twice: every offset that Kafka gave has exactly one place in the lake.

Reads the lake without a JVM and never writes. Judges positions and counters, not the content of events.
"""
