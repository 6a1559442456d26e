"""How far a series stands from its profile right now: an EWMA of its own residuals, predicted one window ahead.

The weight of a new window follows from how much it says and how much the level moves (a Kalman filter on eta with a
level that returns to 0 within about a day); with a constant amount of events it is the plain EWMA. Each residual is cut
at three standard deviations, and nothing is learnt while `frozen`, so that an incident does not become normal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.detect import families
from pipelines.detect.families import Family
from pipelines.detect.grid import Floats, Mask

# Candidates for the level's variance per window; with 5-minute windows the level then spreads by 12 times the root.
DRIFTS = (0.0, 1e-6, 1e-5, 5e-5, 2e-4, 1e-3, 5e-3)
_CUT = 3.0


@dataclass(frozen=True)
class Level:
    """Predicted shift of eta for every window (series, windows), made before the window was seen; and what follows."""

    predicted: Floats
    state: Floats
    variance: Floats


def memory(window_seconds: int) -> float:
    """What of a level is left after one window: a day's memory, or 24 windows where that is longer."""
    return float(np.exp(-1.0 / max(86_400 / window_seconds, 24.0)))


def follow(
    family: Family,
    y: Floats,
    w: Floats,
    eta: Floats,
    dispersion: Floats,
    drift: Floats,
    keep: float,
    state: Floats | None = None,
    variance: Floats | None = None,
    frozen: Mask | None = None,
) -> Level:
    """Run the filter over the windows.

    Args:
        y, w, eta: observations and profile, (series, windows).
        dispersion, drift: per series, (series, 1) and (series,).
        keep: see `memory`.
        state, variance: where to start, (series,); 0 and the stationary variance when None.
        frozen: windows from which nothing is learnt.
    """
    series, length = y.shape
    now = np.zeros(series) if state is None else state.copy()
    var = drift / (1.0 - keep**2) if variance is None else variance.copy()
    predicted = np.empty((series, length))
    d = dispersion[:, 0]
    for t in range(length):
        predicted[:, t] = now
        residual, noise, seen = _residual(family, y[:, t], w[:, t], eta[:, t] + now, d)
        learn = seen if frozen is None else seen & ~frozen[:, t]
        total = np.maximum(var + noise, 1e-300)
        reach = _CUT * np.sqrt(total)
        gain = np.where(learn, var / total, 0.0)
        now = (now + gain * np.clip(residual, -reach, reach)) * keep
        var = (1.0 - gain) * var * keep**2 + drift
    return Level(predicted, now, var)


def choose_drift(family: Family, y: Floats, w: Floats, eta: Floats, dispersion: Floats, keep: float) -> Floats:
    """The drift of each series that predicts its next window best: largest likelihood of residuals cut at 3 sigma."""
    series, length = y.shape
    many = len(DRIFTS)
    d = np.tile(dispersion[:, 0], many)
    drift = np.repeat(np.array(DRIFTS), series)
    now, var = np.zeros(many * series), drift / (1.0 - keep**2)
    cost = np.zeros(many * series)
    for t in range(length):
        residual, noise, seen = _residual(
            family, np.tile(y[:, t], many), np.tile(w[:, t], many), np.tile(eta[:, t], many) + now, d
        )
        total = np.maximum(var + noise, 1e-300)
        reach = _CUT * np.sqrt(total)
        cut = np.clip(residual, -reach, reach)
        cost += np.where(seen, np.log(total) + cut**2 / total, 0.0)
        gain = np.where(seen, var / total, 0.0)
        now = (now + gain * cut) * keep
        var = (1.0 - gain) * var * keep**2 + drift
    best = np.argmin(cost.reshape(many, series), axis=0)
    return np.asarray(np.array(DRIFTS)[best])


def _residual(family: Family, y: Floats, w: Floats, eta: Floats, d: Floats) -> tuple[Floats, Floats, Mask]:
    """Shift of eta that a window speaks for, its variance, and whether it says anything."""
    m = families.mean(family, eta, w)
    numerator, information = families.score(family, y, m, w)
    seen = information > 1e-12
    safe = np.where(seen, information, 1.0)
    noise = families.relative_variance(family, m, w, d) / safe
    return np.where(seen, numerator / safe, 0.0), noise, seen
