"""A seeded world that produces a product's telemetry, with incidents in it that are known beforehand.

`spec` and `scenario` read what is simulated, `world` draws it block by block, `run` sends it. The code knows no
product: event types, fields, shares and names come from `contracts/<product>/simulator.yaml`. Nothing here reads the
lake, and detection never reads the labels that are written here.
"""
