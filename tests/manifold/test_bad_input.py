"""What people really pass: it works and is right, or one sentence says why not."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError as SklearnNotFittedError

from close import assert_close
from dima.errors import DataError, DataTypeError, DimaError, NotFittedError, SettingError, ShapeError
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from manifold.shapes import assert_same_up_to_sign, blobs, cloud, sheet

X = np.round(20 * sheet(60, D=3))  # whole numbers, so that every type holds them exactly
X -= X.min()
Y = np.column_stack([X.sum(axis=1), X[:, 0] ** 2])


def with_cell(value, dtype=None):
    table = X.astype(dtype or float)
    table[7, 1] = value
    return table


UNUSABLE = {
    "nan": (with_cell(np.nan), DataError),
    "inf": (with_cell(-np.inf), DataError),
    "float32 nan": (with_cell(np.nan, np.float32), DataError),
    "masked": (np.ma.masked_less(X, 5.0), DataError),
    "empty": (X[:0], DataError),
    "one row": (X[:1], DataError),
    "equal rows": (np.full((9, 3), 0.1), DataError),
    "spread beyond squares": (1e200 * np.tanh(X - X.mean()), DataError),
    "objects": (with_cell({}, object), DataTypeError),
    "missing object": (with_cell(None, object), DataError),
    "text": (X.astype(str), DataTypeError),
    "dates": (X.astype("datetime64[s]"), DataTypeError),
    "complex": (X + 1j, DataTypeError),
    "sparse": (sparse.csr_array(X), DataTypeError),
    "text in a list": ([["a", "b"], ["c", "d"]], DataTypeError),
    "no columns": (X[:, :0], ShapeError),
    "1-D": (X[:, 0], ShapeError),
    "3-D": (X[None], ShapeError),
    "number": (3.0, ShapeError),
    "None": (None, ShapeError),
}


def refused(error, act, owner):
    """Expect one sentence of that kind that opens with its owner; no array is printed."""
    with pytest.raises(error) as caught:
        act()
    told = str(caught.value)
    assert told.startswith(f"{owner}: ")
    assert told.endswith((".", ".)", '"'))
    assert "\n" not in told
    assert len(told) < 300


@pytest.mark.parametrize("case", UNUSABLE)
def test_encoder_refuses(case):
    table, error = UNUSABLE[case]
    refused(error, lambda: DMAP(2).fit(table), "DMAP")


@pytest.mark.parametrize("case", [name for name in UNUSABLE if name != "equal rows"])
def test_decoder_refuses(case):
    table, error = UNUSABLE[case]
    refused(error, lambda: GPLM(5).fit(table, Y[: np.shape(table)[0] if np.ndim(table) else 60]), "GPLM")


TARGETS = {
    "nan": (np.full(60, np.nan), DataError),
    "None": (None, DataError),
    "masked": (np.ma.masked_greater(Y, 5.0), DataError),
    "complex": (Y + 1j, DataTypeError),
    "text": (np.full(60, "a"), DataTypeError),
    "objects": (np.full(60, {}, object), DataTypeError),
    "dates": (Y.astype("datetime64[s]"), DataTypeError),
    "too few": (Y[:59], ShapeError),
    "3-D": (Y[:, :, None], ShapeError),
    "no columns": (Y[:, :0], DataError),
    "number": (3.0, ShapeError),
}


@pytest.mark.parametrize("case", TARGETS)
def test_decoder_refuses_targets(case):
    targets, error = TARGETS[case]
    refused(error, lambda: GPLM(5).fit(X, targets), "GPLM")


@pytest.fixture(scope="module")
def fitted():
    return {"DMAP": DMAP(2, k=12).fit(X), "GPLM": GPLM(20).fit(X, Y)}


QUERIES = {
    "nan": (with_cell(np.nan), DataError),
    "empty": (X[:0], DataError),
    "complex": (X + 1j, DataTypeError),
    "1-D": (X[0], ShapeError),
    "too wide": (np.hstack([X, X]), ShapeError),
    "too narrow": (X[:, :2], ShapeError),
}


@pytest.mark.parametrize("owner", ["DMAP", "GPLM"])
@pytest.mark.parametrize("case", QUERIES)
def test_queries_are_refused(fitted, owner, case):
    rows, error = QUERIES[case]
    model = fitted[owner]
    refused(error, lambda: (model.transform if owner == "DMAP" else model.predict)(rows), owner)


UNFITTED = {
    "transform": lambda: DMAP().transform(X),
    "embedding_": lambda: DMAP().embedding_,
    "self_excluded_": lambda: DMAP().self_excluded_,
    "training_rows_": lambda: DMAP().training_rows_,
    "DMAP.to_arrays": lambda: DMAP().to_arrays(),
    "predict": lambda: GPLM().predict(X),
    "Z_mx_": lambda: GPLM().Z_mx_,
    "GPLM.to_arrays": lambda: GPLM().to_arrays(),
}


@pytest.mark.parametrize("act", UNFITTED.values(), ids=UNFITTED)
@pytest.mark.parametrize("error", [NotFittedError, SklearnNotFittedError, DimaError])
def test_unfitted_says_so_under_either_name(act, error):
    with pytest.raises(error, match=r"^(DMAP|GPLM): the estimator must be fitted; .* Call \1\.fit first\.$"):
        act()


@pytest.mark.parametrize(
    "given",
    [
        {"d": 0},
        {"d": 2.0},
        {"k": 1},
        {"beta": 0.0},
        {"beta": np.nan},
        {"eps": -1.0},
        {"eps_mul": np.inf},
        {"alpha": 1.5},
        {"t": -1},
        {"drop_trivial": 1},
        {"sym": "min"},
        {"ann_backend": "annoy"},
        {"seed": -1},
    ],
    ids=str,
)
def test_encoder_refuses_settings(given):
    refused(SettingError, lambda: DMAP(**given).fit(X), "DMAP")


def frame(values):
    return pd.DataFrame(values, columns=list("abc"))


def mapped(values, tmp_path):
    np.save(tmp_path / "x.npy", values)
    return np.load(tmp_path / "x.npy", mmap_mode="r", allow_pickle=False)


def read_only(values):
    values = values.copy()
    values.flags.writeable = False
    return values


FORMS = {
    "float32": lambda: X.astype(np.float32),
    "float16": lambda: X.astype(np.float16),
    "int8": lambda: X.astype(np.int8),
    "uint8": lambda: X.astype(np.uint8),
    "int64": lambda: X.astype(np.int64),
    "big endian": lambda: X.astype(">f8"),
    "numbers as objects": lambda: X.astype(object),
    "list": lambda: X.tolist(),
    "Fortran order": lambda: np.asfortranarray(X),
    "strides": lambda: np.repeat(X, 2, axis=1)[:, ::2],
    "read-only": lambda: read_only(X),
}


@pytest.fixture(params=[*FORMS, "memory-mapped", "DataFrame", "DataFrame of bytes"])
def form(request, tmp_path):
    """`X` in another type, layout or container."""
    if request.param == "memory-mapped":
        return mapped(X, tmp_path)
    if request.param.startswith("DataFrame"):
        return frame(X if request.param == "DataFrame" else X.astype(np.uint8))
    return FORMS[request.param]()


def test_every_form_gives_the_same_map(form, fitted):
    dmap = clone(fitted["DMAP"]).fit(form)
    assert_close(dmap.embedding_, fitted["DMAP"].embedding_)
    assert_close(dmap.transform(form), fitted["DMAP"].embedding_)


def test_every_form_gives_the_same_decoder(form, fitted):
    gplm = clone(fitted["GPLM"]).fit(form, Y)
    assert_close(gplm.predict(form), fitted["GPLM"].predict(X), rtol=1e-8)
    targets = clone(fitted["GPLM"]).fit(X, form).predict(X)
    assert_close(targets, clone(fitted["GPLM"]).fit(X, X).predict(X), rtol=1e-8, atol=1e-8)


def test_every_bool_is_a_number():
    table = cloud(40, 6) > 0
    dmap = DMAP(2, k=8).fit(table)
    assert_close(dmap.embedding_, DMAP(2, k=8).fit(table.astype(float)).embedding_)


def test_what_is_passed_is_left_alone():
    table, targets = sheet(50), sheet(50, seed=1)
    before = table.copy(), targets.copy()
    GPLM(9).fit(DMAP(2, k=9).fit_transform(table), targets)
    DMAP(2, k=9).fit(table).transform(table)
    assert_close(table, before[0])
    assert_close(targets, before[1])


@pytest.mark.parametrize("model", [DMAP(2, k=9), GPLM(9)], ids=["DMAP", "GPLM"])
def test_column_names_are_kept_or_dropped_as_one(model):
    named = model.fit(frame(X), Y)
    restored = type(model).from_arrays(*named.to_arrays())
    ask = type(model).transform if isinstance(model, DMAP) else type(model).predict
    assert list(restored.feature_names_in_) == list("abc")
    assert_close(ask(restored, frame(X)), ask(named, frame(X)))
    with pytest.raises(ShapeError, match="feature names should match"):
        ask(restored, frame(X)[["c", "b", "a"]])
    nameless = type(model).from_arrays(*clone(model).fit(X, Y).to_arrays())
    assert not hasattr(nameless, "feature_names_in_")


def test_every_row_forty_times():
    once = DMAP(2, k=20).fit(sheet(60))
    copied = DMAP(2, k=20).fit(np.repeat(sheet(60), 40, axis=0))
    assert_close(copied.eigenvalues_, once.eigenvalues_, atol=1e-6)
    assert_same_up_to_sign(copied.embedding_, np.repeat(once.embedding_, 40, axis=0), atol=1e-5)
    decoder = GPLM(30).fit(copied.self_excluded_, np.repeat(sheet(60), 40, axis=0))
    assert np.isfinite(decoder.predict(copied.embedding_)).all()


def test_two_clusters_are_decoded_each_to_its_own():
    table = blobs([40, 30])
    with pytest.warns(UserWarning, match="falls into 2 parts"):
        dmap = DMAP(3, k=12).fit(table)
    decoded = GPLM().fit(dmap.self_excluded_, table).predict(dmap.transform(table + 0.1))
    assert np.abs(decoded - table).max() < 50  # of the 1000 that lie between them


@pytest.mark.parametrize("distance", [1e3, 1e9, 1e18])
def test_a_far_query_is_finite_and_says_so(fitted, distance):
    with pytest.warns(UserWarning, match="^DMAP: 1 of 2 rows lie far from all training rows"):
        latents = fitted["DMAP"].transform([X[0] + 0.3, [distance, -distance, distance]])
    assert np.isfinite(latents).all()
    reach = np.abs(fitted["DMAP"].embedding_).max()
    assert np.abs(latents).max() <= reach / fitted["DMAP"].eigenvalues_.min()


def test_an_absurd_query_is_refused(fitted):
    refused(DataError, lambda: fitted["DMAP"].transform([X[0], [1e300, 0, 0]]), "DMAP")


def test_ordinary_queries_say_nothing(fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        latents = fitted["DMAP"].transform(X + 0.3)
        fitted["GPLM"].predict(X + 0.3)
    assert latents.shape == (60, 2)
