"""Which segment caused it: one scan over every combination of dimension values. Pure: frames in, causes out."""

from pipelines.explain.causes import Cause, Explanation, Kind, explain, locate
from pipelines.explain.mix import RateMix, rate_and_mix

__all__ = ["Cause", "Explanation", "Kind", "RateMix", "explain", "locate", "rate_and_mix"]
