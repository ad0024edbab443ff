import numpy as np
import pytest
from sklearn.metrics import mean_squared_error, r2_score

from dima.errors import DataError, DataTypeError, ShapeError
from dima.metrics import reconstruction
from dima.metrics.reconstruction import error_over_variance, rmse

X, X_HAT = np.random.default_rng(0).standard_normal((2, 50, 4))


def test_rmse_against_scikit_learn():
    assert rmse(X, X_HAT) == pytest.approx(np.sqrt(mean_squared_error(X, X_HAT)))


def test_rmse_in_blocks(monkeypatch):
    whole = rmse(X, X_HAT)
    monkeypatch.setattr(reconstruction, "rows_within", lambda _: 3)
    assert rmse(X, X_HAT) == pytest.approx(whole, rel=1e-12)


def test_unsigned_bytes_do_not_wrap():
    assert rmse(np.uint8([[0]]), np.uint8([[255]])) == 255.0


def test_variance_is_around_the_mean_given():
    expected = 1 - r2_score(X, X_HAT, multioutput="variance_weighted")
    assert error_over_variance(X, X_HAT, X.mean(axis=0)) == pytest.approx(expected)
    shifted = error_over_variance(X, X_HAT, X.mean(axis=0) + 1)
    assert shifted == pytest.approx(np.sum((X - X_HAT) ** 2) / np.sum((X - X.mean(axis=0) - 1) ** 2))


def test_perfect_and_constant():
    mean = X.mean(axis=0)
    assert error_over_variance(X, X, mean) == 0.0
    assert error_over_variance(X, np.tile(mean, (50, 1)), mean) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("rows", "rebuilt", "kind"),
    [
        (X, X_HAT[:, :2], ShapeError),
        (X[0], X_HAT[0], ShapeError),
        (X[:0], X_HAT[:0], DataError),
        (X, X_HAT * np.nan, DataError),
        (X, X_HAT.astype(str), DataTypeError),
    ],
)
def test_what_is_refused(rows, rebuilt, kind):
    with pytest.raises(kind, match=r"rmse: .* must "):
        rmse(rows, rebuilt)


def test_means_that_are_refused():
    with pytest.raises(ShapeError, match=r"mean must have shape \(4,\); got shape \(\)"):
        error_over_variance(X, X_HAT, 0.0)
    with pytest.raises(DataError, match="spread"):
        error_over_variance(np.ones((5, 2)), np.ones((5, 2)), np.ones(2))
