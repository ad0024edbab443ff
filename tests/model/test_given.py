"""Rows drawn for known values: conditionals in closed form, every form of a condition, refusals."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import multivariate_normal

from close import assert_close
from dima.errors import DataError, DimaError, SettingError, ShapeError
from dima.model.given import sample_given
from dima.model.latent_model import LatentModel
from dima.model.manifold_autoencoder import ManifoldAutoencoder
from dima.model.mixture_prior import MixtureFit
from model.mixed import table


@pytest.fixture(scope="module")
def parabola():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 150)
    x = np.append(x, -x)  # so that half of what lies near a height is on either side
    return np.column_stack([x, x**2 + 0.05 * rng.standard_normal(300)])


@pytest.fixture(scope="module")
def curve(parabola):
    return ManifoldAutoencoder(1, columns="standard").fit(parabola)


@pytest.fixture(scope="module")
def mixed():
    return ManifoldAutoencoder(2, columns="rank").fit(table(120))


def random_mixture(k, d, shared):
    rng = np.random.default_rng(3)
    roots = rng.standard_normal((1 if shared else k, d, d))
    covariances = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(d)
    return MixtureFit({}, rng.dirichlet(np.ones(k)), rng.standard_normal((k, d)), covariances)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("axes", [[0], [2, 1], [0, 1, 3]])
def test_a_conditional_is_the_joint_over_the_marginal(shared, axes):
    mixture, rng = random_mixture(4, 4, shared), np.random.default_rng(0)
    axes, known = np.array(axes), rng.standard_normal(len(axes))
    others = np.setdiff1d(np.arange(4), axes)
    unknown = rng.standard_normal((5, len(others)))
    full = np.zeros((5, 4))
    full[:, axes], full[:, others] = known, unknown

    def density(rows, part):
        terms = [
            weight * multivariate_normal(mean[part], C[np.ix_(part, part)]).pdf(rows)
            for weight, mean, C in zip(
                mixture.weights,
                mixture.means,
                np.broadcast_to(mixture.covariances, (4, 4, 4)),
                strict=True,
            )
        ]
        return np.sum(terms, axis=0)

    given = mixture.given(known, axes)
    found = np.exp(given.log_densities(unknown)).sum(axis=1)
    assert_close(found, density(full, np.arange(4)) / density(known, axes), rtol=1e-6)
    assert given.weights.sum() == pytest.approx(1)


def test_what_is_known_of_a_curve_tells_the_rest(curve):
    drawn = curve.sample_given([[1.5, np.nan], [-1.0, np.nan]], n=300)
    assert [rows.shape for rows in drawn.rows] == [(300, 2), (300, 2)]
    for rows, x in zip(drawn.rows, (1.5, -1.0), strict=True):
        assert (rows[:, 0] == x).all()
        assert abs(np.median(rows[:, 1]) - x**2) < 0.25
        assert abs(rows[:, 1].mean() - x**2) < 0.25  # nor are there some far away
    two_sided = curve.sample_given({"column 2": 2.0}, n=400).rows[0][:, 0]
    assert 0.3 < (two_sided > 0).mean() < 0.7
    assert np.median(np.abs(two_sided)) == pytest.approx(2**0.5, abs=0.15)


def test_forms_of_a_condition_agree(mixed):
    frame = table(120)
    known = {"count": 7, "colour": "red"}
    (rows,) = mixed.sample_given(known, n=30).rows
    assert isinstance(rows, pd.DataFrame)
    assert list(rows.columns) == list(frame.columns)
    assert (rows["count"] == 7).all()
    assert (rows["colour"] == "red").all()
    for other in (pd.DataFrame([known]), pl.DataFrame([known])):
        pd.testing.assert_frame_equal(mixed.sample_given(other, n=30).rows[0], rows)
    assert set(rows["label"]) <= {"high", "low"}
    assert rows["amount"].between(frame["amount"].min(), frame["amount"].max()).all()


@pytest.mark.parametrize("columns", ["rank", "standard"])
def test_words_and_truth_values_beside_them_do_not_hide_what_columns_tell(columns):
    rng, n = np.random.default_rng(0), 370
    height = rng.normal(170, 8, n)
    frame = pd.DataFrame(
        {
            "city": rng.choice(["Bern", "Genf", "Rom"], n),
            "smoker": rng.random(n) < 0.3,
            "kids": rng.poisson(1.4, n),
            "age": rng.integers(18, 90, n).astype(float),
            "height": height,
            "weight": (height - 100) * rng.normal(0.9, 0.1, n),
        }
    )
    drawn = sample_given(
        ManifoldAutoencoder(columns=columns).fit(frame), pd.DataFrame({"height": [158.0, 182.0]}), 400
    )
    # A mixture that hits words and truth values was taken before, which knew nothing else.
    for rows, tall in zip(drawn.rows, (158.0, 182.0), strict=True):
        assert rows["weight"].mean() == pytest.approx(0.9 * (tall - 100), abs=3)
        shares = rows["city"].value_counts(normalize=True)
        assert_close(shares[["Bern", "Genf", "Rom"]], np.full(3, 1 / 3), atol=0.12)


def test_nothing_known_is_a_plain_draw(curve, parabola):
    (rows,) = curve.sample_given([[np.nan, np.nan]], n=2000).rows
    assert_close(rows.mean(axis=0), parabola.mean(axis=0), atol=0.15)


def test_a_terminal_sees_how_far_it_is(curve, monkeypatch):
    seen = []

    def counted(items, total, label):
        seen.append((total, label))
        return items

    monkeypatch.setattr("dima.model.given.track", counted)
    sample_given(curve, [[1.0, np.nan], [0.5, np.nan]], n=5)
    assert seen == [(2, "drawing rows given")]


def test_seeds_and_orders(curve):
    first, again = (curve.sample_given([[0.5, np.nan]], n=20, seed=4).rows[0] for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, curve.sample_given([[0.5, np.nan]], n=20, seed=5).rows[0])
    assert curve.sample_given([[0.5, np.nan]], n=20).effective.shape == (1,)


@pytest.mark.parametrize(
    ("known", "error", "told"),
    [
        ([[1.0, 1.0]], DataError, "a column must be unknown; got all of row 1"),
        ([[np.nan, 1e6]], DataError, r"range of their columns; got row 1, column 2 = 1e\+06 lies outside"),
        ({"height": 1.0}, ShapeError, "got 'height' besides"),
        ({"column 1": "tall"}, DimaError, "'column 1' must be a number; got 'tall'"),
        ([[1.0, 2.0, np.nan]], ShapeError, "shape"),
        ([[np.nan, np.inf]], DataError, "sample_given: known must "),
        ({"column 2": -np.inf}, DataError, "sample_given: known must "),
    ],
)
def test_conditions_that_cannot_be_met_are_refused(curve, known, error, told):
    with pytest.raises(error, match=told) as found:
        curve.sample_given(known)
    assert "\n" not in str(found.value)


def test_unknown_words_are_refused(mixed):
    for known in ({"colour": "mauve"}, pd.DataFrame({"colour": ["mauve"]})):
        with pytest.raises(DataError, match="mauve"):
            mixed.sample_given(known)


def test_values_that_never_occur_together_are_refused():
    x = np.random.default_rng(0).uniform(-2, 2, 200)
    line = ManifoldAutoencoder(1, columns="standard").fit(np.column_stack([x, x, x**2]))
    with pytest.raises(DataError, match="must occur together; got row 1, far from all training rows"):
        line.sample_given([[1.9, -1.9, np.nan]])


@pytest.fixture(scope="module")
def crossed():
    """Two thirds of the rows on a rising line, all of them north; one third on a falling one."""
    rng = np.random.default_rng(0)
    x, kind = rng.uniform(-2, 2, 300), np.where(np.arange(300) % 3, "rising", "falling")
    side = np.where(kind == "rising", "north", rng.choice(["east", "south"], 300))
    y = np.where(kind == "rising", x, -x) + 0.1 * rng.standard_normal(300)
    frame = pd.DataFrame({"x": x, "kind": kind, "y": y, "side": side})
    return ManifoldAutoencoder(2, columns="standard").fit(frame, y="kind")


def test_rows_of_a_class_are_those_of_its_rows(crossed):
    drawn = sample_given(crossed, pd.DataFrame({"x": [1.5, 1.5]}), n=200, y=["rising", "falling"])
    for rows, kind, y, sides in zip(
        drawn.rows, ("rising", "falling"), (1.5, -1.5), ({"north"}, {"east", "south"}), strict=True
    ):
        assert list(rows.columns) == ["x", "kind", "y", "side"]
        assert (rows["kind"] == kind).all()
        assert rows["y"].median() == pytest.approx(y, abs=0.25)
        assert set(rows["side"]) == sides


def test_classes_come_as_often_as_shares_and_known_values_say(crossed):
    even = sample_given(crossed, {"x": 1.5}, n=900).rows[0]
    assert (even["kind"] == "rising").mean() == pytest.approx(2 / 3, abs=0.08)
    assert even["y"][even["kind"] == "rising"].median() == pytest.approx(1.5, abs=0.25)
    assert even["y"][even["kind"] == "falling"].median() == pytest.approx(-1.5, abs=0.25)
    told = sample_given(crossed, {"x": 1.5, "y": -1.5}, n=100).rows[0]
    assert (told["kind"] == "falling").mean() > 0.9


def test_a_class_is_given_as_y_or_among_what_is_known(crossed):
    (rows,) = sample_given(crossed, {"x": 1.5}, n=30, y="rising").rows
    known = {"x": 1.5, "kind": "rising"}
    for other in (known, pd.DataFrame([known]), pl.DataFrame([known])):
        pd.testing.assert_frame_equal(crossed.sample_given(other, n=30).rows[0], rows)
    alone = sample_given(crossed, {"kind": "rising"}, n=300).rows[0]
    assert (np.sign(alone["x"]) == np.sign(alone["y"])).mean() > 0.85
    for frame in (pd.DataFrame, pl.DataFrame):
        (rows,) = sample_given(crossed, frame({"kind": ["rising"]}), n=300).rows
        pd.testing.assert_frame_equal(rows, alone)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_words_and_labels_leave_them_open(crossed, missing):
    (rows,) = sample_given(crossed, {"x": 1.5}, n=30).rows
    known = {"x": 1.5, "kind": missing, "side": missing}
    for form in (pd.DataFrame([known]), known):
        pd.testing.assert_frame_equal(sample_given(crossed, form, n=30).rows[0], rows)


@pytest.mark.parametrize(
    ("known", "y", "error", "told"),
    [
        ({"x": 1.0}, "flat", DataError, "y must hold classes of the model; got 'flat'"),
        ({"x": 1.0, "kind": "flat"}, None, DataError, "y must hold classes of the model; got 'flat'"),
        ({"x": 1.0, "kind": "rising"}, "rising", SettingError, "left out where known has 'kind'; got both"),
        ({"x": 1.0}, ["rising", "falling"], ShapeError, "one label, or one for each of 1 rows"),
        ({"x": 1.5, "y": -1.5}, "rising", DataError, "far from all training rows of class 'rising'"),
        (
            pd.DataFrame({"x": [1.0, 1.5], "kind": ["rising", None]}),
            None,
            DataError,
            r"^ManifoldAutoencoder\.sample_given: 'kind' must be known in all rows or in none; got an empty "
            r"one in row 2\.",
        ),
    ],
)
def test_classes_that_cannot_be_met_are_refused(crossed, known, y, error, told):
    with pytest.raises(error, match=told) as found:
        sample_given(crossed, known, y=y)
    assert "\n" not in str(found.value)


def test_a_model_without_classes_has_none_to_give(curve):
    with pytest.raises(DataError, match="the model has no classes"):
        sample_given(curve, [[1.0, np.nan]], y="rising")


def test_a_saved_model_knows_the_classes_of_its_rows_and_an_older_one_says_so(crossed):
    again = ManifoldAutoencoder.from_arrays(*crossed.to_arrays())
    first, second = (sample_given(one, {"x": 1.0}, n=20, y="falling").rows[0] for one in (crossed, again))
    pd.testing.assert_frame_equal(first, second)
    saved, arrays = crossed.to_arrays()
    older = ManifoldAutoencoder.from_arrays(saved, {k: v for k, v in arrays.items() if k != "prior/class_ix"})
    assert "kind" not in sample_given(older, {"x": 1.0}, n=20).rows[0]
    with pytest.raises(SettingError, match="must know the class of each of its rows; got one saved before"):
        sample_given(older, {"x": 1.0}, y="falling")


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"d": 2, "d_diffusion": 2, "dmap": {"k": 100}}, (100, 3)),
        ({"d": 2, "d_diffusion": 2, "gplm": {"m": 100, "k_eps": 100}}, (100, 3)),
        ({}, (24, 60)),  # of 20 rows there are not so many coordinates
        ({"d": 1, "d_diffusion": 1, "dmap": {"k": 100}}, (100, 1)),
    ],
)
def test_as_many_neighbours_or_points_as_rows_are_fewer_of_fewer(settings, shape):
    rng = np.random.default_rng(0)
    bent = np.sin(rng.uniform(-2, 2, (shape[0], 1)) * np.linspace(1, 2, shape[1]))
    bent += (1.0 if shape[1] > 3 else 0.01) * rng.standard_normal(shape)
    model = ManifoldAutoencoder(**settings).fit(bent)
    unknown = np.where(np.arange(shape[1]), np.nan, 0.5)[None] if shape[1] > 1 else [[np.nan]]
    (rows,) = sample_given(model, unknown, n=50).rows
    assert rows.shape == (50, shape[1])
    assert np.abs(rows[:, -1]).mean() < 2
    assert np.median(np.abs(rows[:, -1])) < 2


@pytest.mark.parametrize("seed", range(3))  # the row that differs is held out, or is not
def test_rows_that_are_all_equal_but_one_can_be_drawn_from(seed):
    X = np.tile(np.random.default_rng(0).standard_normal(3), (25, 1))
    X[7] += 1
    (rows,) = sample_given(ManifoldAutoencoder().fit(X), [[X[0, 0], np.nan, np.nan]], n=50, seed=seed).rows
    assert np.abs(np.median(rows, axis=0) - X[0]).max() < 0.3


def test_a_saved_model_draws_what_it_drew_without_choosing_again(curve, monkeypatch):
    (drawn,) = sample_given(curve, [[1.0, np.nan]], n=40).rows
    monkeypatch.setattr("dima.model.manifold_map.tune", None)
    for model in (curve, ManifoldAutoencoder.from_arrays(*curve.to_arrays())):
        assert_close(sample_given(model, [[1.0, np.nan]], n=40).rows[0], drawn)


@pytest.mark.filterwarnings("ignore:LatentModel. classes with fewer")
@pytest.mark.parametrize("sizes", [[2] * 10, [11] + [1] * 9])
def test_classes_of_a_row_or_two_are_drawn_near_their_rows(sizes):
    rng = np.random.default_rng(0)
    class_ix = np.repeat(np.arange(10), sizes)
    labels = np.array([f"kind {index}" for index in class_ix])
    X = 5 * class_ix[:, None] + rng.standard_normal((len(class_ix), 3))
    (rows,) = sample_given(ManifoldAutoencoder(2).fit(X, labels), [[45.0, np.nan, np.nan]], y="kind 9").rows
    assert np.abs(rows[:, 1:] - 45).max() < 4  # none is of the class beside it, at 40


@pytest.mark.parametrize("known", [{"is_new": "maybe"}, pd.DataFrame({"is_new": ["maybe"]})])
def test_words_for_a_truth_value_are_refused(mixed, known):
    with pytest.raises(DimaError, match=r"'is_new' must (be|hold) true or false; got .*'maybe'"):
        sample_given(mixed, known)


@pytest.mark.parametrize(
    "known", [{"count": 30.5}, pd.DataFrame({"count": [30.5]}), [[np.nan] * 2 + [30.5] + [np.nan] * 2]]
)
def test_numbers_that_a_column_does_not_hold_are_refused(mixed, known):
    with pytest.raises(
        DataError, match=r"column 'count' must hold whole numbers; got 30\.5 in row 1\. Change"
    ):
        sample_given(mixed, known)


def test_a_model_without_rows_or_prior_is_refused(parabola):
    from sklearn.decomposition import PCA

    with pytest.raises(SettingError, match="must have training rows"):
        sample_given(LatentModel(PCA(1)).fit(parabola), [[1.0, np.nan]])
    with pytest.raises(SettingError, match="must have a prior"):
        sample_given(ManifoldAutoencoder(1, prior=None).fit(parabola), [[1.0, np.nan]])
