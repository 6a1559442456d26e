"""A product's windows drawn straight as counts: what the detector is measured on without any service.

The numbers resemble the contract `shop` (200,000 events a day, five-minute windows) but the law of the noise is a
choice: Poisson, or bursts that the detector's model does not assume, with or without growth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd

from pipelines.contract import Contract
from pipelines.detect.grid import Floats, Ints, Times, series_name

SHARES: dict[str, dict[str, float]] = {
    "region": {"eu-west": 0.34, "eu-central": 0.20, "us-east": 0.23, "us-west": 0.13, "ap-south": 0.10},
    "feature": {"home": 0.21, "search": 0.23, "product": 0.26, "cart": 0.10, "checkout": 0.14, "account": 0.06},
    "device": {"ios": 0.38, "android": 0.34, "web": 0.28},
    "app_version": {"5.2.0": 0.58, "5.1.0": 0.29, "5.0.2": 0.13},
}
HOURS = (0.73, 0.61, 0.54, 0.50, 0.51, 0.56, 0.66, 0.80, 0.94, 1.05, 1.13, 1.18,
         1.21, 1.22, 1.23, 1.25, 1.29, 1.36, 1.44, 1.50, 1.48, 1.35, 1.12, 0.90)  # fmt: skip
WEEKDAYS = (0.96, 0.93, 0.94, 0.98, 1.06, 1.10, 1.03)
_BUCKETS = 280
_GROWTH = np.log(1.04)


@dataclass(frozen=True)
class Incident:
    """What happens in a segment from `start` on: windows are counted from the first one of the world."""

    kind: str
    where: Mapping[str, str]
    start: int
    length: int = 8
    rate: float = 1.0
    conversion: float = 1.0
    latency: float = 1.0
    errors: float = 1.0


@dataclass(frozen=True)
class World:
    """Settings of one draw. `burst` is the spread of an autocorrelated, heavy-tailed factor on all rates."""

    seed: int
    start: np.datetime64
    windows: int
    seconds: int = 300
    events_per_day: float = 200_000
    burst: float = 0.0
    leaf_noise: float = 0.0
    growth_per_day: float = 0.0
    incidents: tuple[Incident, ...] = field(default=())


@dataclass(frozen=True)
class _Leaves:
    names: tuple[str, ...]
    codes: dict[str, Ints]
    share: Floats

    @classmethod
    def of(cls, shares: Mapping[str, Mapping[str, float]]) -> _Leaves:
        sizes = [len(values) for values in shares.values()]
        grid = np.indices(sizes).reshape(len(sizes), -1)
        share = np.ones(grid.shape[1])
        for i, values in enumerate(shares.values()):
            share *= np.array(list(values.values()))[grid[i]]
        return cls(tuple(shares), {name: grid[i] for i, name in enumerate(shares)}, share)


def season(world: World) -> Floats:
    """Traffic relative to its mean, per window."""
    at = world.start.astype("datetime64[s]").astype(np.int64) + (np.arange(world.windows) + 0.5) * world.seconds
    hour = at % 86_400 / 3600
    daily = np.interp(hour, np.arange(-1, 25) + 0.5, [HOURS[-1], *HOURS, HOURS[0]])
    weekday = (at / 86_400 + 3) % 7
    weekly = np.interp(weekday, np.arange(-1, 8) + 0.5, [WEEKDAYS[-1], *WEEKDAYS, WEEKDAYS[0]])
    return np.asarray(daily * weekly / np.mean(HOURS))


def draw(world: World, contract: Contract, usual: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Series frame of the whole world, as `pipelines.gold.series.read` gives it.

    `usual` holds the thresholds of quantile series by name; the world's own quantiles when None.
    """
    rng = np.random.default_rng(world.seed)
    per_window = world.events_per_day * world.seconds / 86_400
    traffic = per_window * season(world) * _bursts(world, rng)
    traffic *= (1 + world.growth_per_day) ** (np.arange(world.windows) * world.seconds / 86_400)
    windows = world.start + np.arange(world.windows) * np.timedelta64(world.seconds, "s")
    actions = _Leaves.of(SHARES)
    payments = _Leaves.of(SHARES | {"feature": {"checkout": 1.0}})
    servers = _Leaves.of(SHARES | {"device": {"server": 1.0}})
    out = _Frames(contract, windows, usual or {})

    n = rng.poisson(
        0.83 * traffic[:, None] * actions.share * _factor(world, actions, "rate") * _leaf_noise(world, actions, rng)
    )
    p_error = 0.0115 * np.where(actions.codes["region"] == 4, 1.3, 1.0) * _factor(world, actions, "errors")
    errors = rng.binomial(n, np.minimum(p_error, 0.9))
    out.counts("traffic", actions, n)
    out.distinct("unique_users", actions, n, rng)
    out.ratio("error_rate", actions, errors, n)
    window, leaf = _events(n)
    slow = (
        np.log(142)
        + 0.08 * (season(world)[window] - 1)
        + np.log(np.where(actions.codes["region"][leaf] == 4, 1.45, 1.0))
    )
    slow += np.log(_factor(world, actions, "latency")[window, leaf]) + 0.55 * rng.standard_normal(len(window))
    out.quantile("latency_p95", actions, window, leaf, slow, 0.95)

    n = rng.poisson(
        0.12 * traffic[:, None] * payments.share * _factor(world, payments, "rate") * _leaf_noise(world, payments, rng)
    )
    done = rng.binomial(n, 0.62 * _factor(world, payments, "conversion"))
    out.ratio("conversion_rate", payments, done, n)
    window, leaf = _events(done)
    amount = np.clip(np.exp(np.log(4500) + 0.72 * rng.standard_normal(len(window))), 500, 30000)
    out.amounts("revenue", payments, window, leaf, amount)

    n = rng.poisson(0.025 * traffic[:, None] * servers.share * _factor(world, servers, "rate"))
    window, leaf = _events(n)
    depth = np.exp(np.log(18) + 0.5 * (season(world)[window] - 1) + 0.4 * rng.standard_normal(len(window)))
    out.means("queue_depth", servers, window, leaf, np.rint(depth))
    return pd.concat(out.parts, ignore_index=True)


def _bursts(world: World, rng: np.random.Generator) -> Floats:
    """exp of an autoregressive series with Student's t innovations: half of it is gone after 7 windows."""
    if not world.burst:
        return np.ones(world.windows)
    steps = np.clip(rng.standard_t(4, world.windows), -8, 8) / np.sqrt(2.0)
    out, now, keep = np.zeros(world.windows), 0.0, 0.9
    for t, step in enumerate(steps):
        now = keep * now + np.sqrt(1 - keep**2) * step
        out[t] = now
    return np.exp(world.burst * out)


def _leaf_noise(world: World, leaves: _Leaves, rng: np.random.Generator) -> Floats:
    if not world.leaf_noise:
        return np.ones((1, 1))
    shape = 1 / world.leaf_noise**2
    return rng.gamma(shape, 1 / shape, (world.windows, len(leaves.share)))


def _factor(world: World, leaves: _Leaves, what: str) -> Floats:
    out = np.ones((world.windows, len(leaves.share)))
    for incident in world.incidents:
        inside = np.ones(len(leaves.share), dtype=bool)
        for name, value in incident.where.items():
            values = list(SHARES[name])
            inside &= leaves.codes[name] == (values.index(value) if leaves.codes[name].max() else -1)
        out[incident.start : incident.start + incident.length, inside] *= getattr(incident, what)
    return out


def _events(n: Ints) -> tuple[Ints, Ints]:
    """Window and leaf of every single event."""
    flat = np.repeat(np.arange(n.size), n.ravel())
    return flat // n.shape[1], flat % n.shape[1]


class _Frames:
    """Sums leaves up to series and collects the frames of the metrics."""

    def __init__(self, contract: Contract, windows: Times, usual: Mapping[str, float]) -> None:
        self._usual = usual
        self._metrics = {metric.name: metric for metric in contract.metrics}
        self._windows = windows
        self.parts: list[pd.DataFrame] = []

    def _groups(self, leaves: _Leaves, depth: int) -> list[tuple[dict[str, str], Ints]]:
        out: list[tuple[dict[str, str], Ints]] = [({}, np.arange(len(leaves.share)))]
        for count in range(1, depth + 1):
            for names in combinations(leaves.names, count):
                code = np.zeros(len(leaves.share), dtype=np.int64)
                for name in names:
                    code = code * 10 + leaves.codes[name]
                for each in np.unique(code):
                    inside = np.flatnonzero(code == each)
                    dims = {}
                    for name in names:
                        values = (
                            list(SHARES[name])
                            if leaves.codes[name].max()
                            else ["checkout" if name == "feature" else "server"]
                        )
                        dims[name] = values[leaves.codes[name][inside[0]]]
                    out.append((dims, inside))
        return out

    def _add(self, metric: str, dims: dict[str, str], **columns: Floats) -> None:
        if metric not in self._metrics:
            return
        empty = np.full(len(self._windows), np.nan)
        self.parts.append(
            pd.DataFrame(
                {
                    "metric": metric,
                    "series": series_name(metric, dims),
                    "dims": [dims] * len(self._windows),
                    "window_start": self._windows.astype("datetime64[ns]"),
                    "value": empty, "n": empty, "numerator": empty, "denominator": empty, "usual": empty,
                }
                | columns
            )
        )  # fmt: skip

    def counts(self, metric: str, leaves: _Leaves, n: Ints) -> None:
        for dims, inside in self._groups(leaves, 1):
            total = n[:, inside].sum(axis=1).astype(float)
            self._add(metric, dims, value=total, n=total)

    def distinct(self, metric: str, leaves: _Leaves, n: Ints, rng: np.random.Generator) -> None:
        users = rng.binomial(n, 0.7)
        self.counts(metric, leaves, users)

    def ratio(self, metric: str, leaves: _Leaves, k: Ints, n: Ints) -> None:
        for dims, inside in self._groups(leaves, 2):
            top, bottom = k[:, inside].sum(axis=1).astype(float), n[:, inside].sum(axis=1).astype(float)
            with np.errstate(all="ignore"):
                self._add(metric, dims, value=top / bottom, n=bottom, numerator=top, denominator=bottom)

    def amounts(self, metric: str, leaves: _Leaves, window: Ints, leaf: Ints, amount: Floats) -> None:
        size = (len(self._windows), len(leaves.share))
        flat = window * size[1] + leaf
        total = np.bincount(flat, weights=amount, minlength=size[0] * size[1]).reshape(size)
        n = np.bincount(flat, minlength=size[0] * size[1]).reshape(size)
        for dims, inside in self._groups(leaves, 1):
            self._add(metric, dims, value=total[:, inside].sum(axis=1), n=n[:, inside].sum(axis=1).astype(float))

    def means(self, metric: str, leaves: _Leaves, window: Ints, leaf: Ints, amount: Floats) -> None:
        size = (len(self._windows), len(leaves.share))
        flat = window * size[1] + leaf
        total = np.bincount(flat, weights=amount, minlength=size[0] * size[1]).reshape(size)
        n = np.bincount(flat, minlength=size[0] * size[1]).reshape(size)
        for dims, inside in self._groups(leaves, 1):
            count = n[:, inside].sum(axis=1).astype(float)
            with np.errstate(all="ignore"):
                self._add(metric, dims, value=total[:, inside].sum(axis=1) / count, n=count)

    def quantile(self, metric: str, leaves: _Leaves, window: Ints, leaf: Ints, logs: Floats, q: float) -> None:
        bucket = np.clip(np.floor(logs / _GROWTH), 0, _BUCKETS - 1).astype(np.int64)
        length = len(self._windows)
        for dims, inside in self._groups(leaves, 1):
            use = np.isin(leaf, inside) if len(inside) < len(leaves.share) else slice(None)
            histogram = np.bincount(window[use] * _BUCKETS + bucket[use], minlength=length * _BUCKETS).reshape(
                length, -1
            )
            n = histogram.sum(axis=1)
            total = np.cumsum(histogram.sum(axis=0))
            name = series_name(metric, dims)
            usual = int(np.searchsorted(total, q * (total[-1] - 1), side="right"))
            if name in self._usual:
                usual = round(np.log(self._usual[name]) / _GROWTH) - 1
            at = (np.cumsum(histogram, axis=1) > (q * (n - 1))[:, None]).argmax(axis=1)
            value = np.where(n > 0, np.exp((at + 0.5) * _GROWTH), np.nan)
            above = histogram[:, usual + 1 :].sum(axis=1).astype(float)
            self._add(
                metric, dims, value=value, n=n.astype(float), numerator=above, denominator=n.astype(float),
                usual=np.full(length, np.exp((usual + 1) * _GROWTH)),
            )  # fmt: skip
