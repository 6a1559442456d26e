"""GX Data Docs of the gate's suites and of what they say about the newest events: whole without a network.

Great Expectations builds the pages. Here they lose what calls home (style sheets and scripts from other hosts, a logo
that counts readers, a newsletter) and gain what makes them readable. It prints values of events unescaped, so those are
made harmless before it sees them.
"""

from __future__ import annotations

import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import escape

from pipelines.contract import Contract
from quality.gate import JOINT_ROWS
from quality.gx import Expectation, open_context, validate_for_docs
from quality.report.words import visible
from quality.statistics import strata
from quality.suites import statistics as statistics_suite
from quality.suites.rows import row_checks

# Events that the pages judge.
ROWS = 20_000

_VENDOR = Path(__file__).with_name("vendor")
_STYLE = Path(__file__).with_name("templates") / "datadocs.css"
_CDNJS = "https://cdnjs.cloudflare.com/ajax/libs"
_UNPKG = "https://unpkg.com/bootstrap-table"
_PICKER = "bootstrap-datepicker/bootstrap-datepicker"
_TABLE = "bootstrap-table/bootstrap-table"
# What stands in the place of an address, by how it begins; versions are those that the templates ask for.
_ASSETS = {
    "https://cdn.jsdelivr.net/npm/@forevolve/bootstrap-dark@1.1.0/": "bootstrap-dark/bootstrap-prefers-dark.min.css",
    "https://cdn.jsdelivr.net/npm/vega-embed@6": "vega-embed/vega-embed.min.js",
    "https://cdn.jsdelivr.net/npm/vega-lite@5": "vega-lite/vega-lite.min.js",
    "https://cdn.jsdelivr.net/npm/vega@5": "vega/vega.min.js",
    f"{_CDNJS}/bootstrap-datepicker/1.9.0/css/": f"{_PICKER}.min.css",
    f"{_CDNJS}/bootstrap-datepicker/1.9.0/js/": f"{_PICKER}.min.js",
    f"{_CDNJS}/font-awesome/6.6.0/": "fontawesome-free/all.min.css",
    f"{_CDNJS}/popper.js/1.12.9/": "popper.js/popper.min.js",
    "https://code.jquery.com/jquery-3.7.1.": "jquery/jquery.min.js",
    "https://great-expectations-web-assets.s3.us-east-2.amazonaws.com/": "logo.png",
    "https://maxcdn.bootstrapcdn.com/bootstrap/4.3.1/css/": "bootstrap/bootstrap.min.css",
    "https://stackpath.bootstrapcdn.com/bootstrap/4.3.1/js/": "bootstrap/bootstrap.min.js",
    f"{_UNPKG}@1.19.0/dist/extensions/": f"{_TABLE}-filter-control.min.css",
    f"{_UNPKG}@1.19.1/dist/bootstrap-table.min.css": f"{_TABLE}.min.css",
    f"{_UNPKG}@1.19.1/dist/bootstrap-table.min.js": f"{_TABLE}.min.js",
    f"{_UNPKG}@1.19.1/dist/extensions/": f"{_TABLE}-filter-control.min.js",
}
# Whatever makes a browser ask for something: a link that a reader may follow does not.
_LOADED = re.compile(r"""(<(?:link|script|img)\b[^>]*?\b(?:href|src)=["'])([^"']+)|(url\(["']?)(https?:[^"')]+)""")
_INTEGRITY = re.compile(r'\s(?:integrity|crossorigin)="[^"]*"')
_FOOTER = re.compile(r"<footer>\s*<p>Stay current.*?</footer>", re.DOTALL)
_ICON = re.compile(r'<link rel="shortcut icon"[^>]*>')
_CHARTS = re.compile(r'<script src="[^"]*/vega[^"]*"></script>\s*')


def columns(contract: Contract) -> list[str]:
    """Columns of silver that the suites read."""
    of_checks = {
        name for check in contract.checks for name in (check.column, *check.by, *(each.column for each in check.where))
    }
    return sorted({check.column for check in row_checks(contract).values()} | of_checks)


def build(contract: Contract, events: pd.DataFrame, folder: Path, *, at: datetime) -> Path:
    """Write the pages into a folder and return the first of them.

    Args:
        contract: whose suites.
        events: accepted events, at least `columns`, a few of the newest.
        folder: where; it is made.
        at: when, which names the run.

    Raises:
        ValueError: a page asks another host for something that this module does not know.
    """
    context = open_context()
    # As Spark hands them to the gate: UTC, without saying so.
    zoned = [name for name, kind in events.dtypes.items() if isinstance(kind, pd.DatetimeTZDtype)]
    events = events.assign(**{str(name): events[name].dt.tz_convert("UTC").dt.tz_localize(None) for name in zoned})
    found = [each for check in contract.checks for each in strata(check, events, events.iloc[:0], borrow_to=JOINT_ROWS)]
    suites: dict[str, tuple[list[Expectation], pd.DataFrame]] = {
        "single-events": ([check.expectation for check in row_checks(contract).values()], events),
        "many-events": (
            statistics_suite.expectations(contract.checks),
            statistics_suite.frame(contract.checks, found),
        ),
    }
    filled = {name: suite for name, suite in suites.items() if suite[0]}
    validate_for_docs(context, contract.product, filled, folder, run=f"{at:%Y-%m-%dT%H-%MZ}", harmless=harmless)
    _make_whole(folder)
    return folder / "index.html"


def harmless(value: Any) -> Any:
    """The same value with every text in it fit for a page that prints it as it is."""
    if isinstance(value, str):
        return str(escape(visible(value)))
    if isinstance(value, dict):
        return {harmless(name): harmless(each) for name, each in value.items()}
    return [harmless(each) for each in value] if isinstance(value, list | tuple) else value


def _make_whole(folder: Path) -> None:
    """Rewrite every page, and put beside them what they now ask for."""
    logo = folder / "static" / "images" / "logo-long.png"
    assets = folder / "assets"
    assets.mkdir()
    shutil.copy(logo, assets / "logo.png")
    shutil.copy(_STYLE, assets / "pulseiq.css")
    shutil.rmtree(folder / "static")
    for page in sorted(folder.rglob("*.html")):
        below = "../" * (len(page.relative_to(folder).parts) - 1)
        page.write_text(rewritten(page.read_text(encoding="utf-8"), below), encoding="utf-8")
    pages = "".join(page.read_text(encoding="utf-8") for page in folder.rglob("*.html"))
    for package in sorted(each for each in _VENDOR.iterdir() if each.is_dir()):
        if f"assets/{package.name}/" in pages:
            shutil.copytree(package, assets / package.name)


def rewritten(page: str, below: str) -> str:
    """One page that asks no other host for anything.

    Args:
        page: as Great Expectations made it.
        below: the way from the page's folder to the site's, such as `../../`.
    """

    def replaced(found: re.Match[str]) -> str:
        before, address = found[1] or found[3], found[2] or found[4]
        if not address.startswith(("http:", "https:", "//")):
            return found[0]
        asset = next((asset for prefix, asset in _ASSETS.items() if address.startswith(prefix)), None)
        if asset is None:
            raise ValueError(f"GX Data Docs ask for {address}, which no vendored asset stands for")
        return f"{before}{below}assets/{asset}"

    whole = _LOADED.sub(replaced, _INTEGRITY.sub("", _FOOTER.sub("", page)))
    if "vegaEmbed(" not in whole:
        whole = _CHARTS.sub("", whole)
    head = (
        f'<link rel="icon" href="data:,"><link rel="stylesheet" href="{below}assets/pulseiq.css">'
        '<meta name="referrer" content="no-referrer">'
    )
    whole = _ICON.sub("", whole).replace("</head>", f"{head}</head>", 1)
    back = f'<p class="pulseiq-back"><a href="{below}../index.html">PulseIQ: data quality</a></p>'
    return whole.replace("<html>", '<html lang="en">', 1).replace("<body>", f"<body>{back}", 1)
