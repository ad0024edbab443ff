"""The table of hostile cases: name, how the rows are made, what is done, how the result is judged."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from manifold.hostile import acts, data, judge
from manifold.hostile.data import sheet, with_cell

__all__ = ["CASES", "EITHER", "REFUSED", "RIGHT", "Case"]

RIGHT, REFUSED, EITHER = "right", "refused", "right or refused"
BOTH, OURS = ("dima", "peer"), ("dima",)

NUMBERS = "nan|finite|inf"
SIZE = "large|at most|overflow|range|inf|finite|spread"
SHAPE = r"[123]-?d|dim|shape|axes|axis|0 samples"
WIDTH = "feature|shape|width|column|dim"
TYPE = "real|convert|number|dtype|type"
FEW = r"rows?\b|nref|sample|empty|neighbou?r|one number|zero|\bn\b"
ALIKE = "equal|distinct|differ|constant|same|duplicate|coordinates"
SETTING_D = r"\bd\b|dimension|int\(\)|coordinates"


@dataclasses.dataclass(frozen=True)
class Case:
    """One hostile thing to do.

    Attributes:
        name: what it is.
        expect: RIGHT, REFUSED, or EITHER where both are fair.
        make: makes the rows.
        act: does it: act(side, rows).
        judge: says what is wrong with the result: judge(rows, result), or nothing.
        cause: what a refusal must name, a regular expression.
        sides: which packages have such a thing.
    """

    name: str
    expect: str
    make: Callable[[], Any]
    act: Callable[[Any, Any], Any] = acts.code
    judge: Callable[[Any, Any], str] = judge.coded
    cause: str = "."
    sides: tuple[str, ...] = BOTH


def refused(name, cause, make=sheet, act=acts.code, sides=BOTH):
    """Something that has no meaning: no result is right."""
    return Case(name, REFUSED, make, act, lambda X, result: "a result for what has no meaning", cause, sides)


def form(name, change, plain=lambda X: np.asarray(X, np.float64), base=sheet, expect=RIGHT, cause=TYPE):
    """The same rows in another type or container: the same answer as in a plain array."""
    return Case(name, expect, lambda: change(base()), partial(acts.same_as, plain=plain), judge.close, cause)


def code(d=2, **settings):
    return partial(acts.code, d=d, **settings)


def whole():
    """The sheet as whole numbers from 0 to 200, so that differences wrap around in bytes."""
    X = sheet()
    return np.round(200 * (X - X.min()) / np.ptp(X))


NO_SIGN = partial(acts.same_as, plain=lambda X: X + 0.0)  # -0 + 0 is 0

VALUES = [
    refused("nan", NUMBERS, partial(with_cell, np.nan)),
    refused("inf", NUMBERS, partial(with_cell, -np.inf)),
    refused("masked", "mask", lambda: np.ma.masked_equal(with_cell(1e9), 1e9)),
    refused("object with None", "none|missing|number|nan", partial(with_cell, None, object)),
    refused("complex", "complex|real", lambda: sheet() + 1j),
    refused("dates", "date|real", lambda: (1e6 * sheet()).astype("datetime64[s]")),
    refused("text", "str|text|real|convert", lambda: np.full((100, 4), "word")),
    refused("huge, 1e300", SIZE, lambda: 1e300 * np.tanh(sheet())),
    Case("huge, 1e200", EITHER, lambda: 1e200 * sheet(), cause=SIZE),
    Case("huge, 1e30", EITHER, lambda: 1e30 * sheet(), cause=SIZE),
    Case("large, 1e12", RIGHT, lambda: 1e12 * sheet()),
    Case("small, 1e-12", RIGHT, lambda: 1e-12 * sheet()),
    Case("tiny, 1e-30", EITHER, lambda: 1e-30 * sheet(), cause="spread|small|tiny"),
    Case("tiny, 1e-200", EITHER, lambda: 1e-200 * sheet(), cause="spread|small|tiny"),
    Case("denormals", EITHER, lambda: 1e-310 * sheet(), cause="spread|small|tiny"),
    Case("offset 1e8", RIGHT, lambda: 1e8 + sheet()),
    Case("columns of 1e-6 and 1e6", RIGHT, lambda: sheet() * [1e-6, 1e6, 1.0, 1e-3]),
    Case("negative zero", RIGHT, partial(data.zeros, -0.0), NO_SIGN, judge.close),
]

GEOMETRY = [
    Case("equal rows", EITHER, lambda: np.full((50, 4), 0.1), judge=judge.same_rows, cause=ALIKE),
    Case("all rows but one equal", EITHER, lambda: np.eye(50)[:, :1] * [1.0, 2.0], code(1), cause=ALIKE),
    Case("nine of ten rows copies", RIGHT, data.duplicates),
    Case("two far clusters", RIGHT, partial(data.clusters, 2)),
    Case("ten far clusters", RIGHT, partial(data.clusters, 10)),
    Case("a far outlier", RIGHT, data.outlier, judge=judge.rows_beside_outlier),
    Case("ties on a grid", RIGHT, partial(data.grid, 10, 2)),
    Case("a line in 50 columns", RIGHT, data.line, code(1)),
    Case("regular polygon", RIGHT, data.polygon),
    Case("corners of a cube", RIGHT, partial(data.grid, 2, 6), code(3)),
    Case("one-hot rows", RIGHT, data.one_hot),
    Case("counts, mostly zero", RIGHT, data.counts),
]

SHAPES = [
    refused("empty", FEW, lambda: sheet()[:0]),
    refused("one row", FEW, lambda: sheet()[:1]),
    Case("two rows", EITHER, lambda: sheet()[:2], code(1), cause=FEW),
    Case("one column", RIGHT, lambda: sheet()[:, :1], code(1)),
    Case("one constant column", RIGHT, lambda: sheet() * [1, 0, 1, 1] + 3.0, judge=judge.steady_column),
    Case("all columns constant but one", RIGHT, lambda: sheet() * [1, 0, 0, 0] + 3.0, code(1)),
    Case("fewer rows than d", EITHER, lambda: sheet(10, 30), code(20), cause=rf"{FEW}|{SETTING_D}"),
    Case("d = D", RIGHT, sheet, code(4)),
    Case("d > D", EITHER, lambda: sheet(D=2), code(5), cause=SETTING_D),
    Case("d > D, one column", EITHER, lambda: sheet(D=1), code(3), cause=SETTING_D),
    Case("20 rows of 2000 columns", RIGHT, lambda: sheet(20, 2000)),
    refused("no columns", SHAPE + "|feature|column", lambda: sheet()[:, :0]),
    refused("1-D", SHAPE, lambda: sheet()[:, 0]),
    refused("3-D", SHAPE, lambda: sheet().reshape(25, 4, 4)),
    refused("0-D", SHAPE, lambda: np.float64(3.0)),
    refused("generator", SHAPE + "|generator", lambda: (row for row in sheet())),
    refused("ragged list", SHAPE + "|ragged", lambda: [[1.0, 2.0], [3.0]] * 50),
    refused("None", SHAPE + "|none", lambda: None),
]

FORMS = [
    form("float16", lambda X: X.astype(np.float16)),
    form("int8", lambda X: (X / 2).astype(np.int8), base=whole),
    form("uint8 that wraps around", lambda X: X.astype(np.uint8), base=whole),
    form("bool", lambda X: X.mean(axis=0) < X, base=lambda: sheet(D=8)),
    form("long double", lambda X: X.astype(np.longdouble), expect=EITHER),
    form("text of numbers", lambda X: X.astype(str), expect=EITHER),
    form("objects that are numbers", lambda X: X.astype(object)),
    form("sparse", sparse.csr_array, lambda X: X.toarray(), expect=EITHER, cause="sparse|dense|real|number"),
    form("Fortran order", np.asfortranarray),
    form("strided view", lambda X: np.repeat(np.repeat(X, 2, axis=1), 3, axis=0)[::3, ::2]),
    form("backward view", lambda X: X[::-1, ::-1].copy()[::-1, ::-1]),
    form("read-only", data.read_only),
    form("memory-mapped", data.mapped),
    form("byte-swapped", lambda X: X.astype(">f8")),
    form("list of lists", np.ndarray.tolist),
    refused("integer beyond float64", "integer|int too large|overflow", lambda: with_cell(10**400, object)),
]

QUERIES = [
    refused("transform another width", WIDTH, lambda: sheet()[:, :3], acts.encode),
    refused("transform NaN", NUMBERS, partial(with_cell, np.nan), acts.encode),
    refused("transform complex", "complex|real", lambda: sheet() + 1j, acts.encode),
    Case("transform far away", EITHER, lambda: 1e12 * sheet(), acts.encode, judge.finite, "far|large"),
    Case("transform nothing", EITHER, lambda: sheet()[:0], acts.encode, judge.nothing_there, FEW),
    refused("decode NaN", NUMBERS, lambda: np.full((3, 2), np.nan), acts.decode),
    refused("decode a ragged list", SHAPE + "|unlike|ragged", lambda: [[1.0, 2.0], [3.0]], acts.decode),
    refused(
        "decode an integer beyond float64",
        "integer|int too large|overflow",
        lambda: np.array([[10**400, 1]]),
        acts.decode,
    ),
    refused("decode another width", WIDTH, lambda: np.zeros((3, 5)), acts.decode),
    Case("decode far away", EITHER, lambda: np.full((3, 2), 1e12), acts.decode, judge.finite, "far|large"),
    Case("decode nothing", EITHER, lambda: np.zeros((0, 2)), acts.decode, judge.nothing_there, FEW),
    Case("rows one by one", RIGHT, lambda: sheet(seed=1), acts.one_by_one, judge.close),
    Case("columns in another order", EITHER, sheet, acts.reordered, judge.close, "name|column|frame|type"),
]

SETTINGS = [
    refused("d = 0", SETTING_D, act=code(0)),
    refused("d = -1", SETTING_D, act=code(-1)),
    refused("d = 2.5", SETTING_D, act=code(2.5)),
    refused("d = 'two'", SETTING_D, act=code("two")),
    refused("d = a million", SETTING_D + "|k must|k >= n", act=code(1_000_000)),
    Case("d = True", EITHER, sheet, code(True), cause=SETTING_D),
    refused("k = 0", r"\bk\b|neighbou?r", act=code(k=0)),
    refused("k = 1", r"\bk\b|neighbou?r", act=code(k=1)),
    Case("k = n", EITHER, sheet, code(k=100), cause=r"\bk\b|neighbou?r"),
    Case("k = 2 n", EITHER, sheet, code(k=200), cause=r"\bk\b|neighbou?r"),
    refused("eps = 0", "eps|bandwidth|ε", act=code(eps=0.0)),
    refused("eps = -1", "eps|bandwidth|ε", act=code(eps=-1.0)),
    refused("eps = NaN", "eps|bandwidth|ε", act=code(eps=np.nan)),
    refused("unknown setting", "neighbours", act=code(neighbours=7)),
]

USES = [
    Case("input changed after fit", RIGHT, sheet, acts.changed_input, judge.equal),
    Case("input is left alone", RIGHT, sheet, acts.kept_input, judge.equal),
    Case("pickled", RIGHT, sheet, acts.by_pickle, judge.equal),
    Case("copied", RIGHT, sheet, acts.by_copy, judge.equal),
    Case("two threads at once", RIGHT, lambda: sheet(seed=1), acts.at_once, judge.equal),
    Case("the same seed", RIGHT, sheet, acts.again, judge.equal),
    refused("few diffusion coordinates", SETTING_D, act=code(6, d_diffusion=1), sides=OURS),
    refused("ragged labels", "label", act=acts.ragged_labels, sides=OURS),
    refused("names of which one is twice", "name", act=acts.named_twice, sides=OURS),
    refused("frame of one name twice", "name", act=partial(acts.framed, names="aabc"), sides=OURS),
    refused(
        "frame with an integer beyond float64",
        "integer",
        lambda: with_cell(10**400, object),
        acts.framed,
        OURS,
    ),
    refused("GPLM: ragged targets", "unlike|shape", lambda: [[1.0, 2.0], [3.0]], acts.decoder_alone, OURS),
    refused("transform before fit", "fit", act=acts.unfitted, sides=OURS),
    Case("fitted twice", RIGHT, sheet, acts.fitted_twice, judge.equal, sides=OURS),
    Case("settings changed after fit", RIGHT, sheet, acts.set_later, judge.equal, sides=OURS),
    Case("cloned", RIGHT, sheet, acts.cloned, judge.equal, sides=OURS),
    refused("DMAP: equal rows", ALIKE, lambda: np.ones((30, 3)), acts.map_alone, OURS),
    refused("DMAP: d beyond the rows", SETTING_D, act=partial(acts.map_alone, d=100), sides=OURS),
    refused("GPLM: targets of NaN", NUMBERS, partial(with_cell, np.nan), acts.decoder_alone, OURS),
    refused("GPLM: too few targets", SHAPE, lambda: sheet()[:99], acts.decoder_alone, OURS),
    Case(
        "GPLM: equal latents",
        EITHER,
        sheet,
        partial(acts.decoder_alone, latents=np.ones((100, 2))),
        judge.finite,
        ALIKE,
        OURS,
    ),
]

CASES = [*VALUES, *GEOMETRY, *SHAPES, *FORMS, *QUERIES, *SETTINGS, *USES]
