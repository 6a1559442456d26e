"""Suites: `rows` and `statistics` gate each batch in the stream; `bronze`, `silver` and `gold` audit a layer.

All are made from the contract; `written` has what a product adds. See docs/cookbook/add-an-expectation.md.
"""
