"""Small charts as SVG inside the page: no script, colours from the page's style, words for those who cannot see them.

Every chart is stretched to the width of its place, so nothing in it is text: axes are the page's.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from quality.report.facts import Tally, Window

_WIDTH, _HEIGHT = 480.0, 100.0


def bars(values: Sequence[float], label: str, kind: str = "plain") -> Markup:
    """One bar for each value, from zero up to the greatest."""
    top = max(values, default=0.0) or 1.0
    step = _WIDTH / max(len(values), 1)
    parts = [
        f'<rect class="{escape(kind)}" x="{at * step + step * 0.1:.1f}" y="{_HEIGHT - _tall(value / top):.1f}" '
        f'width="{step * 0.8:.1f}" height="{_tall(value / top):.1f}"/>'
        for at, value in enumerate(values)
        if value
    ]
    return _svg("".join(parts), label, "bars")


def strip(tallies: Sequence[Tally], label: str) -> Markup:
    """One cell for each part of time: passed, failed, broken, or nothing judged."""
    step = _WIDTH / max(len(tallies), 1)
    parts = []
    for at, tally in enumerate(tallies):
        kind = "failed" if tally.failed else "broken" if tally.broken else "passed" if tally.passed else "none"
        # Not by colour alone: what failed is tall, what passed is low, what was not judged a line.
        height = {"failed": 1.0, "broken": 0.8, "passed": 0.5, "none": 0.08}[kind] * _HEIGHT
        parts.append(
            f'<rect class="{kind}" x="{at * step + step * 0.08:.1f}" y="{_HEIGHT - height:.1f}" '
            f'width="{step * 0.84:.1f}" height="{height:.1f}"/>'
        )
    return _svg("".join(parts), label, "strip")


def band(windows: Sequence[Window], label: str) -> Markup:
    """A line of values over the range that is usual, the expected value dashed; what leaves the range is marked."""
    top = max((max(window.value, window.high) for window in windows), default=0.0) * 1.05 or 1.0
    step = _WIDTH / max(len(windows) - 1, 1)

    def point(at: int, value: float) -> str:
        return f"{at * step:.1f},{_HEIGHT - _HEIGHT * min(max(value / top, 0.0), 1.0):.1f}"

    upper = [point(at, window.high) for at, window in enumerate(windows)]
    lower = [point(at, window.low) for at, window in enumerate(windows)]
    line = " ".join(point(at, window.value) for at, window in enumerate(windows))
    expected = " ".join(point(at, window.expected) for at, window in enumerate(windows))
    # A line of no length with a round end is a dot that stretching leaves round.
    dots = "".join(
        f'<path class="unusual" d="M{point(at, window.value)}h.01"/>'
        for at, window in enumerate(windows)
        if window.unusual
    )
    return _svg(
        f'<polygon class="range" points="{" ".join([*upper, *reversed(lower)])}"/>'
        f'<polyline class="expected" points="{expected}"/><polyline class="value" points="{line}"/>{dots}',
        label,
        "band",
    )


def _tall(part: float) -> float:
    # What is there at all is seen.
    return max(_HEIGHT * part, 3.0)


def _svg(inside: str, label: str, kind: str) -> Markup:
    # Made of numbers, and of texts that are escaped.
    return Markup(  # noqa: S704
        f'<svg class="chart {kind}" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{inside}</svg>'
    )
