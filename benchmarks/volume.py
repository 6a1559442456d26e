"""Volume under the precision-recall surface (VUS-PR) of a continuous score, as TSB-AD computes it.

Paparrizos et al., "Volume under the surface", VLDB 2022; Liu and Paparrizos, "The elephant in the room", NeurIPS 2024.
Labels are extended by a buffer of 0 to `buffer` points, whose weight falls as a square root; the area under precision
and recall is averaged over the buffers. The same numbers as TSB-AD's own code, of which a test holds some: there a
pass over the points for each of 250 thresholds and each buffer, here running sums in the order of the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Stretch = tuple[int, int]

_THRESHOLDS = 250
# As in TSB-AD: where no lag stands out, and what is read to find one.
_NO_PERIOD = 125
_READ, _LAGS, _BASE, _LONGEST = 20_000, 400, 3, 300


def vus_pr(labels: Ints, score: Floats, buffer: int) -> float:
    """Mean area under precision and recall over all buffers of 0 to `buffer` points.

    Args:
        labels: (points,), 1 within an anomaly, with at least one.
        score: (points,), high where a point is anomalous; only its order counts.
        buffer: the longest extension, the series' period by `period`.
    """
    at = np.linspace(0, len(score) - 1, _THRESHOLDS).astype(int)
    order = np.argsort(-score, kind="stable")
    # Points with the threshold's own score are predicted too.
    predicted = np.searchsorted(-score[order], -score[order][at], side="right")
    anomalies = _stretches(labels)
    widest = _joined(len(labels), anomalies, buffer)
    inside = np.zeros(len(labels), dtype=bool)
    for first, last in widest:
        inside[first : last + 1] = True
    areas = [_area(labels, score, order, predicted, inside, anomalies, width) for width in range(buffer + 1)]
    return float(np.mean(areas))


def period(values: Floats) -> int:
    """The lag of the strongest local maximum of the autocorrelation; TSB-AD takes it as the longest buffer."""
    centred = values[:_READ] - values[:_READ].mean()
    spectrum = np.fft.rfft(centred, 2 * len(centred))
    covariance = np.fft.irfft(spectrum * np.conj(spectrum))[: _LAGS + 1]
    if covariance[0] <= 0:
        return _NO_PERIOD
    own = (covariance / covariance[0])[_BASE:]
    tops = np.flatnonzero((own[1:-1] > own[:-2]) & (own[1:-1] > own[2:])) + 1
    if not len(tops):
        return _NO_PERIOD
    best = int(tops[np.argsort(own[tops])[-1]])
    return _NO_PERIOD if best < _BASE or best > _LONGEST else best + _BASE


def _area(
    labels: Ints, score: Floats, order: Ints, predicted: Ints, inside: npt.NDArray[np.bool_],
    anomalies: Sequence[Stretch], width: int,
) -> float:  # fmt: skip
    weight = np.where(inside, _extended(labels, anomalies, width), 0.0)
    found = np.cumsum(weight[order])[predicted - 1]
    # Points of an anomaly count whether predicted or not, those of its buffer only where predicted.
    whole = np.zeros(len(labels), dtype=bool)
    for first, last in anomalies:
        whole[first : last + 1] = True
    buffered = np.cumsum(np.where(whole, 0.0, weight)[order])[predicted - 1]
    positives = (labels.sum() + whole.sum() + buffered) / 2
    joined = _joined(len(labels), anomalies, width)
    strongest = np.sort([score[first : last + 1].max() for first, last in joined])
    lowest_predicted = score[order][predicted - 1]
    exist = (len(joined) - np.searchsorted(strongest, lowest_predicted, side="left")) / len(joined)
    recall = np.minimum(found / positives, 1.0) * exist
    return float(np.sum(np.diff(recall, prepend=0.0) * (found / predicted)))


def _stretches(labels: Ints) -> list[Stretch]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], labels, [0]])))
    return [(int(first), int(after) - 1) for first, after in zip(edges[::2], edges[1::2], strict=True)]


def _extended(labels: Ints, anomalies: Sequence[Stretch], width: int) -> Floats:
    out = labels.astype(np.float64)
    for first, last in anomalies:
        after = np.arange(last + 1, min(last + width // 2 + 1, len(labels)))
        out[after] += np.sqrt(1 - (after - last) / max(width, 1))
        ahead = np.arange(max(first - width // 2, 0), first)
        out[ahead] += np.sqrt(1 - (first - ahead) / max(width, 1))
    return np.minimum(out, 1.0)


def _joined(length: int, anomalies: Sequence[Stretch], width: int) -> list[Stretch]:
    """Anomalies with half a buffer on either side; those that touch are one."""
    half = width // 2
    out = []
    first = max(anomalies[0][0] - half, 0)
    for (_, last), (following, _) in pairwise(anomalies):
        if last + half < following - half:
            out.append((first, last + half))
            first = following - half
    return [*out, (first, min(anomalies[-1][1] + half, length - 1))]
