"""How far the detect loop looks."""

from __future__ import annotations

from datetime import timedelta

# Windows further back than this are not judged; a baseline is learnt more often than that.
LONGEST = timedelta(days=8)
