"""What is watched: a product's events, metrics and checks, read from `contracts/<product>/` and refused when wrong.

Owns the model and its compilation to columns and rules. Knows nothing of streams, tables or services.
"""

from pipelines.contract.expected import Expected
from pipelines.contract.load import load, load_all
from pipelines.contract.model import Check, Condition, Contract, EventType, Field, Metric, Version
from pipelines.contract.sensitivity import Sensitivity

__all__ = [
    "Check",
    "Condition",
    "Contract",
    "EventType",
    "Expected",
    "Field",
    "Metric",
    "Sensitivity",
    "Version",
    "load",
    "load_all",
]
