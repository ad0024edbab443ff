"""Which diffusion map suits the decoder, and how many of its coordinates, by the predicted error of new rows.

Every map of a short table is fitted to a sample of the rows. A small decoder of its first coordinates is left
without each row in turn, and principal components take what it leaves: see `manifold_map`. Their error tells
which map to take, and where principal components alone do as well, none.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import clone

from dima.errors import DataError, DimaError, NumericsError, kept_messages, warn_user
from dima.manifold import press
from dima.manifold.budget import most_neighbours, usual_neighbours
from dima.manifold.dmap import DMAP
from dima.manifold.neighbors import knn
from dima.manifold.rows import DistinctRows
from dima.model.principal import principal, row_errors
from dima.model.refit import neighbours_share
from dima.progress import track
from dima.scaling import Standardizer
from dima.threads import one_thread, side_by_side
from dima.typing import Array, Float64

if TYPE_CHECKING:
    from dima.figures.report import Table

__all__ = ["TUNED", "WORTH", "Trial", "Tuned", "fit_quietly", "sample", "table_of", "tune"]

TUNED = ("coordinates", "k", "eps_mul", "kernel")  # what is chosen of a map where the user leaves it open
_MAPS = (  # these, the neighbours as a multiple of the usual number
    ("first", 1, 1.0, "fixed"),
    ("chart", 1, 1.0, "fixed"),
    ("chart", 1, 1.0, "self-tuning"),
    ("chart", 0.5, 1.0, "fixed"),
    ("chart", 0.25, 1.0, "fixed"),
    ("chart", 1, 0.5, "fixed"),
    ("chart", 2, 0.5, "fixed"),
    ("chart", 4, 0.5, "fixed"),
)
_TELLING = 3  # maps after which no more are tried, where they are hopeless:
_HOPELESS = 1.1  # so many times the error of principal components alone
_FEWEST = 8  # neighbours that are tried at the least
_ROWS = 2500  # training rows maps are fitted to
_JUDGED = 1500  # and of these, rows they are judged by
_CENTRES, _SHARED = 256, 3  # inducing points of the decoders, at most one for so many rows
_COLUMNS = 128  # principal columns of the rows; what they leave is the same for every map
_PARTS = 4  # of d that are tried as the number of diffusion coordinates; then an eighth more and less
WORTH = 0.99  # of the error, below which more diffusion coordinates are taken


@dataclasses.dataclass(frozen=True)
class Trial:
    """A map that was tried: its settings, how many of its coordinates do best, and the error so."""

    coordinates: str
    k: int
    eps_mul: float
    d_diffusion: int
    error: float
    kernel: str = "fixed"  # older saves do not say

    def cells(self) -> list[str]:
        """The same as text."""
        return [
            self.coordinates,
            self.kernel,
            str(self.k),
            f"{self.eps_mul:g}",
            str(self.d_diffusion),
            f"{self.error:.4f}",
        ]


@dataclasses.dataclass(frozen=True)
class Tuned:
    """The map that is taken: fitted to all rows, or not yet.

    Attributes:
        dmap: the map.
        d_diffusion: how many of its coordinates, 0 where principal components do as well.
        trials: all that were tried, in order.
        ratio: predicted error, over that of principal components alone.
    """

    dmap: DMAP
    d_diffusion: int
    trials: tuple[Trial, ...]
    ratio: float = 1.0


def tune(dmap: DMAP, free: Sequence[str], X: Array, d_diffusion: int | None = None) -> Tuned:
    """Choose the settings `free` of the map (of `TUNED`), and how many of its coordinates are used.

    Principal components alone are taken unless a map is better by a hundredth, and by two standard errors of
    the mean of the rows' differences: what is linear needs no map.

    Args:
        dmap: an unfitted map with a d.
        free: names of its settings that are chosen.
        X: training rows (n, D).
        d_diffusion: the number of its coordinates, where it is not to be chosen.
    """
    few = sample(X, dmap.seed) if free else X
    share, distinct = len(few) / len(X), DistinctRows.of(few, "DMAP")
    n_distinct = len(distinct.R_uX)
    judge, best = _Judge.of(few, dmap.seed), None
    quarters = _quarters(dmap.d) if d_diffusion is None else [d_diffusion]
    without, trials, refusals = judge.row_errors(judge.targets, dmap.d), list[Trial](), list[DimaError]()
    maps = list(_tried(dmap, free, share, n_distinct))
    near = _shared_neighbours(maps, distinct)
    with side_by_side(lambda tried: _fitted(tried, few, near), maps) as fits:
        for tried, messages in track(zip(maps, fits, strict=True), len(maps), "trying diffusion maps"):
            if isinstance(messages, DimaError):
                refusals.append(messages)
                if isinstance(messages, DataError) and not trials:
                    raise messages  # so it would be of any map
                continue
            split, rows = judge.best_split(tried.self_excluded_, quarters)
            error = float(rows.mean()) / judge.total
            trials.append(Trial(tried.coordinates, tried.k_, tried.eps_mul, split, error, tried.kernel))
            if best is None or rows.mean() < best[2].mean():
                best = tried, split, rows, messages
            if len(trials) == _TELLING and best[2].mean() > _HOPELESS * without.mean():
                break
    if best is None:
        raise refusals[0]
    taken, split, rows, messages = best
    if d_diffusion is None:
        split, rows = judge.best_split(taken.self_excluded_, _eighths(split, dmap.d))
        split *= _is_surely_less(rows, without)
        split = max(split, dmap.d - X.shape[1])  # there are no more principal components than columns
    ratio = float(rows.mean() / (without.mean() or 1.0))
    if share < 1:
        return Tuned(_for_all(taken, dmap, share, n_distinct, split), split, tuple(trials), ratio)
    for message in messages if split else ():  # nothing is said of coordinates that are not used
        warn_user(message)
    return Tuned(taken, split, tuple(trials), ratio)


def table_of(trials: Sequence[Trial]) -> "Table":
    """The maps that were tried, for a report."""
    from dima.figures.report import Table  # brings matplotlib; only a report draws

    headers = ["coordinates", "kernel", "neighbours", "bandwidth", "used", "error / variance"]
    note = (
        "The bandwidth is a multiple of the median squared distance to a neighbour. Errors are those "
        "predicted of new rows, by a small decoder that leaves each row out."
    )
    return Table(headers, [trial.cells() for trial in trials], note)


def sample(X: Array, seed: int) -> Array:
    """Some of the rows; all where these are equal."""
    few: Array = X[np.sort(np.random.default_rng(seed).permutation(len(X))[:_ROWS])]
    return few if (few != few[0]).any() else X


def _quarters(d: int) -> list[int]:
    return [max(1, round(d * part / _PARTS)) for part in range(1, _PARTS + 1)]


def _eighths(split: int, d: int) -> list[int]:
    """A number, and an eighth of `d` less and more."""
    step = max(1, round(d / (2 * _PARTS)))
    return [max(1, split - step), split, min(split + step, d)]


def _tried(dmap: DMAP, free: Sequence[str], share: float, n_distinct: int) -> Iterator[DMAP]:
    """The maps of the table for a share of the rows, each once, with all that is not free as it was."""
    usual = usual_neighbours(dmap.d, n_distinct)
    fixed = dmap.k if dmap.k is None or share == 1 else max(2, round(dmap.k * share))
    seen: list[dict[str, object]] = []
    for coordinates, times, eps_mul, kernel in _MAPS:
        k = min(n_distinct, most_neighbours(n_distinct), max(_FEWEST, round(times * usual)))
        wanted = {"coordinates": coordinates, "k": k, "eps_mul": eps_mul, "kernel": kernel}
        chosen = {"k": fixed} | {name: value for name, value in wanted.items() if name in free}
        if chosen not in seen:
            seen.append(chosen)
            yield clone(dmap).set_params(**chosen)


def _for_all(taken: DMAP, asked: DMAP, share: float, n_distinct: int, split: int) -> DMAP:
    """The map of a share of the rows for all of them, of which it uses `split` coordinates."""
    if asked.k is not None:
        return clone(taken).set_params(k=asked.k)
    most = min(most_neighbours(round(n_distinct / share)), n_distinct)
    return clone(taken).set_params(k=min(most, round(taken.k_ * neighbours_share(1 / share, split))))


def fit_quietly(dmap: DMAP, X: Array, near: tuple[Array, Float64] | None = None) -> list[str]:
    """Fit the map, to the neighbours if given, and give what it warned of."""
    with kept_messages() as messages:
        dmap.fit(X, neighbors=near)
    return messages


def _shared_neighbours(maps: Sequence[DMAP], rows: DistinctRows) -> tuple[Array, Float64] | None:
    """Neighbours for the map that takes most; None where each is better off alone, or rows are equal."""
    n = len(rows.row_i)
    if len(maps) == 1 or maps[0].ann_backend != "auto" or len(rows.R_uX) < n:
        return None
    most = max(tried.k or usual_neighbours(tried.d, n) for tried in maps)
    near = knn(rows.R_uX, rows.R_uX, min(most, n))
    if (near.ids[:, 0] != np.arange(n)).any():  # rows equal but for rounding
        return None
    near.d2[:, 0] = 0.0
    return np.argsort(rows.row_i)[near.ids[rows.row_i]], np.sqrt(near.d2[rows.row_i] * rows.unit2)


def _fitted(dmap: DMAP, X: Array, near: tuple[Array, Float64] | None) -> list[str] | DimaError:
    """Fit the map, and give what it warned of, or why it could not be fitted."""
    try:
        return fit_quietly(dmap, X, near)
    except (DataError, NumericsError) as refused:
        return refused


def _is_surely_less(errors: Float64, than: Float64) -> bool:
    """Whether errors (n,) of rows are less by more than a hundredth and more than chance."""
    gain = than - errors
    return bool(gain.mean() > max((1 - WORTH) * than.mean(), 2 * gain.std() / np.sqrt(len(gain))))


@dataclasses.dataclass
class _Judge:
    """What maps of the same rows are judged by.

    Attributes:
        rows: (s,) numbers of the rows.
        targets: (s, D') these rows, centred, in few columns.
        left: squared norm (s,) of what these columns leave.
        centres: (m,) which of these rows are inducing points.
        total: mean squared norm of the centred rows.
        factor: the bandwidth that was best last, as a multiple of the typical squared distance.
    """

    rows: Array
    targets: Float64
    left: Float64
    centres: Array
    total: float
    factor: float | None = None

    @classmethod
    def of(cls, X: Array, seed: int) -> Self:
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.permutation(len(X))[:_JUDGED])
        centred = X[rows] - X[rows].mean(axis=0, dtype=np.float64)
        targets, norms = centred, (centred**2).sum(axis=1)
        if X.shape[1] > _COLUMNS:
            targets = centred @ principal(centred, _COLUMNS).axes.T
        left = np.maximum(norms - (targets**2).sum(axis=1), 0.0)
        centres = np.sort(rng.permutation(len(rows))[: min(_CENTRES, -(-len(rows) // _SHARED))])
        return cls(rows, targets, left, centres, float(norms.mean()) or 1.0)

    def best_split(self, self_excluded: Float64, splits: Iterable[int]) -> tuple[int, Float64]:
        """How many of the coordinates (n, d) of rows as if new are best, of some numbers; the errors so.

        More must be better by a hundredth.
        """
        codes, d = self_excluded[self.rows], self_excluded.shape[1]
        found: dict[int, Float64] = {}
        with one_thread():
            for split in sorted(set(splits), reverse=True):
                residuals = self._left_out(codes[:, :split]) if split else self.targets
                found[split] = self.row_errors(residuals, d - split)
        best = min(found)
        for split in sorted(found):
            best = split if found[split].mean() < WORTH * found[best].mean() else best
        return best, found[best]

    def row_errors(self, residuals: Float64, d: int) -> Float64:
        """Squared error (s,) of what is left once `d` principal components are taken."""
        return row_errors(residuals, d) + self.left

    def _left_out(self, codes: Float64) -> Float64:
        """Residuals (s, D') of a small decoder of codes (s, d1), each row left out."""
        Z = Standardizer.of(codes, common=True).apply(codes)
        found, self.factor = press.residuals(Z, self.targets, Z[self.centres], near=self.factor)
        # A row left out has no part in the mean either.
        return found * (len(Z) / (len(Z) - 1))
