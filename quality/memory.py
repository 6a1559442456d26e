"""The last rows before a batch, so that small batches and rare strata can be judged together with what came before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

# Enough that a stratum of one row in three hundred still gathers 30 of its rows.
MEMORY_ROWS = 10_000


class Memory:
    """A bounded tail of the rows seen, whatever the verdict on them was.

    Held rows stay in it on purpose: the tail must be able to recover with the data that follow.
    """

    def __init__(self, columns: Sequence[str], limit: int = MEMORY_ROWS) -> None:
        self._columns = list(columns)
        self._limit = limit
        self._older = pd.DataFrame(columns=self._columns)
        self._newest = self._older
        self._newest_time: datetime | None = None

    def before(self, batch_time: datetime) -> pd.DataFrame:
        """Rows of earlier batches, oldest first; a batch that is judged again does not see itself."""
        if self._newest_time is None or self._newest_time >= batch_time:
            return self._older
        return self._joined()

    def remember(self, rows: pd.DataFrame, batch_time: datetime) -> None:
        """Add a batch's rows and forget the oldest ones beyond the limit; the same batch again replaces itself."""
        if self._newest_time is not None and self._newest_time < batch_time:
            self._older = self._joined()
        self._newest = rows.loc[:, self._columns].tail(self._limit)
        self._newest_time = batch_time

    def _joined(self) -> pd.DataFrame:
        filled = [frame for frame in (self._older, self._newest) if len(frame)]
        return pd.concat(filled, ignore_index=True).tail(self._limit) if filled else self._older
