"""Great Expectations, tamed: one ephemeral context, the pandas engine, no telemetry, no progress bars.

The only module that imports it. Turns its results into `Judged`, where a check that broke is told from data that
failed: Great Expectations reports both as `success=False` and tells them apart only by `exception_info`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

# Read once, at import: afterwards it is too late to keep the library from calling home.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations as gx
import great_expectations.expectations
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext as Context
from great_expectations.expectations.expectation import Expectation

__all__ = ["Context", "Expectation", "Judge", "Judged", "gxe", "open_context", "validate_for_docs"]

# The library's own types describe its API only in part: its expectations count as untyped.
gxe: Any = great_expectations.expectations

EXAMPLES = 20
_SITE = "pulseiq"
_DETAILED = {"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES}


@dataclass(frozen=True)
class Judged:
    """What one expectation said: its `meta`, and either a judgement or the reason why there is none."""

    meta: dict[str, Any]
    success: bool
    error: str | None
    result: dict[str, Any]

    @property
    def unexpected(self) -> list[int]:
        """Positions of failing rows in the judged frame, at most EXAMPLES of them."""
        return [int(position) for position in self.result.get("partial_unexpected_index_list") or ()]


def open_context() -> Context:
    """A context that lives in memory only; one serves all suites of a gate."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    bars: Any = {"globally": False, "metric_calculations": False}
    context.variables.progress_bars = bars
    return context


def validate_for_docs(
    context: Context,
    name: str,
    suites: Mapping[str, tuple[Sequence[Expectation], pd.DataFrame]],
    folder: Path,
    *,
    run: str,
    harmless: Callable[[Any], Any],
) -> None:
    """Validate suites, each on its frame, and write Data Docs of them into a folder.

    Args:
        context: one of its own; its suites and results are those that the pages have.
        name: what the frames belong to.
        suites: expectations and frame of each suite by name.
        folder: where the pages go.
        run: what the pages call this run.
        harmless: applied to whatever a result holds before a page is made of it.
    """
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.absolute())}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    site: Any = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": backend,
        "site_index_builder": index,
    }
    context.add_data_docs_site(_SITE, site)
    for suite, (expectations, frame) in suites.items():
        kept = context.suites.add(gx.ExpectationSuite(name=suite, expectations=list(expectations)))
        asset = context.data_sources.add_pandas(f"{name}-{suite}").add_dataframe_asset(f"{name}-{suite}")
        batches = asset.add_batch_definition_whole_dataframe(suite)
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=suite, data=batches, suite=kept))
        definition.run(
            batch_parameters={"dataframe": frame}, result_format=_DETAILED, run_id=RunIdentifier(run_name=run)
        )
    store: Any = context.validation_results_store
    for key in store.list_keys():
        found = store.get(key)
        for each in found.results:
            each.result, each.exception_info = harmless(each.result), harmless(each.exception_info)
        store.set(key, found)
    context.build_data_docs(site_names=[_SITE])


class Judge:
    """A suite bound to a context, made once and used for every batch."""

    def __init__(self, context: Context, name: str, expectations: Sequence[Expectation]) -> None:
        self._expectations = tuple(expectations)
        self._suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=list(expectations)))
        self._batches = (
            context.data_sources.add_pandas(name).add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
        )

    def __call__(self, frame: pd.DataFrame) -> list[Judged]:
        """Judge a frame; never raises for what the data or the library do, it reports an error per expectation.

        Only yes or no is asked of every expectation, and details of those that said no: that halves the time.
        """
        if not self._expectations:
            return []
        try:
            batch = self._batches.get_batch({"dataframe": frame})
            found = batch.validate(self._suite, result_format="BOOLEAN_ONLY").results
        except Exception as error:
            return [Judged(dict(each.meta or {}), False, _line(error), {}) for each in self._expectations]
        return [self._judged(batch, each) for each in found]

    def _judged(self, batch: Any, found: Any) -> Judged:
        meta = dict(found.expectation_config.meta or {})
        error = None if found.success else _exception(found.exception_info)
        if found.success or error is not None:
            return Judged(meta, bool(found.success), error, {})
        try:
            detailed = batch.validate(found.expectation_config.to_domain_obj(), result_format=_DETAILED)
        except Exception as raised:
            return Judged(meta, False, _line(raised), {})
        return Judged(meta, False, _exception(detailed.exception_info), dict(detailed.result))


def _exception(info: Any) -> str | None:
    """The message of the first raised exception in an `exception_info`, which is flat or keyed by metric; else None."""
    if not isinstance(info, dict):
        return None
    entries = [info] if "raised_exception" in info else [each for each in info.values() if isinstance(each, dict)]
    for entry in entries:
        if entry.get("raised_exception"):
            return _line(entry.get("exception_message") or "unknown error")
    return None


def _line(error: object) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split()) if isinstance(error, Exception) else str(error)
    return text.splitlines()[0][:300] if text else "unknown error"
