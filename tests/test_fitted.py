"""Fitted states become plain values and arrays, and come back equal."""

import dataclasses
import pydoc
import re
from typing import Annotated, Any

import numpy as np
import pytest
from msgspec import Meta
from sklearn.base import BaseEstimator

from close import assert_close
from dima import DDPM, DMAP, GPLM, ImageAutoencoder, fitted, settings
from dima.errors import NotFittedError, SettingError
from dima.typing import Array, ArrayLike, Arrays, Float64


@dataclasses.dataclass(frozen=True)
class Inner:
    values: Float64
    count: int


@dataclasses.dataclass(frozen=True)
class Outer:
    settings: dict[str, Any]
    weights: Array
    inner: Inner
    network: Arrays
    perhaps: Float64 | None
    maybe: Inner | None
    error: float | None
    later: str = "usual"


def outer(**changes):
    network = {"a/w": np.arange(3.0), "a/b": np.zeros(1)}
    whole = Outer({"width": 2}, np.eye(2), Inner(np.ones(3), 7), network, None, None, 0.5)
    return dataclasses.replace(whole, **changes)


@pytest.mark.parametrize(
    "changes", [{}, {"perhaps": np.ones(2), "maybe": Inner(np.zeros(1), 0), "error": None}]
)
def test_round_trip(changes):
    before = outer(**changes)
    plain, arrays = fitted.to_arrays(before)
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
    after = fitted.from_arrays(Outer, plain, arrays)
    assert_close(after.inner.values, before.inner.values)
    assert after.inner.count == 7
    assert after.network.keys() == before.network.keys()
    assert_close(after.network["a/w"], before.network["a/w"])
    assert (after.settings, after.error) == (before.settings, before.error)
    for name in ("perhaps", "maybe"):
        assert (getattr(after, name) is None) == (getattr(before, name) is None)


@pytest.mark.parametrize("name", ["weights", "inner/values"])
def test_a_missing_array_is_missed(name):
    plain, arrays = fitted.to_arrays(outer())
    del arrays[name]
    with pytest.raises(KeyError):
        fitted.from_arrays(Outer, plain, arrays)


def test_what_was_saved_before_a_field_was_there_has_its_default():
    plain, arrays = fitted.to_arrays(outer(later="mine"))
    assert fitted.from_arrays(Outer, plain, arrays).later == "mine"
    del plain["later"]
    assert fitted.from_arrays(Outer, plain, arrays).later == "usual"
    del plain["settings"]
    with pytest.raises(KeyError):
        fitted.from_arrays(Outer, plain, arrays)


def test_names_say_where_an_array_belongs():
    _, arrays = fitted.to_arrays(outer())
    assert set(arrays) == {"weights", "inner/values", "network/a/w", "network/a/b"}


@dataclasses.dataclass(frozen=True)
class MeanFit:
    settings: dict[str, Any]
    mean: Float64


class Mean(fitted.FittedEstimator, BaseEstimator):
    """An estimator of a few lines."""

    Fit = MeanFit
    mean_ = fitted.Fitted[Float64](lambda fit: fit.mean, "(D,) mean of the rows.")

    def __init__(self, width: Annotated[int, Meta(ge=1, description="width")] = 1):
        self.width = width


def test_an_estimator_is_rebuilt_with_the_settings_of_its_fit():
    mean = Mean(3)
    with pytest.raises(NotFittedError):
        mean.to_arrays()
    mean.fit_, mean.n_features_in_ = MeanFit({"width": 3}, np.ones(2)), 2
    saved, arrays = mean.set_params(width=9).to_arrays()
    again = Mean.from_arrays(saved, arrays)
    assert again.width == 3
    assert again.n_features_in_ == 2
    assert_close(again.fit_.mean, np.ones(2))
    saved["fit"]["settings"] = {"width": 0}
    with pytest.raises(SettingError, match=r"^Mean: width must be"):
        Mean.from_arrays(saved, arrays)


def test_a_fitted_attribute_is_documented_read_only_and_there_after_fit_alone():
    mean = Mean()
    assert Mean.mean_.__doc__ == "(D,) mean of the rows."
    assert not hasattr(mean, "mean_")
    with pytest.raises(NotFittedError, match=r"^Mean: the estimator must be fitted"):
        _ = mean.mean_
    mean.fit_ = MeanFit({}, np.ones(2))
    assert_close(mean.mean_, np.ones(2))
    with pytest.raises(AttributeError):
        mean.mean_ = np.zeros(2)


class Explained(fitted.FittedEstimator):
    """Two settings.

    Example:
        >>> Explained()
    """

    def __init__(
        self,
        width: Annotated[int, Meta(ge=1, description="columns used")] | None = None,
        kind: Annotated[str, settings.OneOf("near", "far"), Meta(description="which neighbours")] = "near",
    ) -> None:
        self._store(locals())

    def measure(self, X: ArrayLike, weights: ArrayLike | None = None) -> dict[str, Float64] | Array:
        return {}


def test_help_lists_settings_with_rule_and_default_under_bare_signatures():
    told = re.sub(r"\s+", " ", pydoc.plain(pydoc.render_doc(Explained)).replace("|", " "))
    assert "width: columns used; a whole number >= 1 or None. Default: None." in told
    assert "kind: which neighbours; one of 'near', 'far'. Default: 'near'. Example: >>> Explained()" in told
    assert "Explained(width: int None = None, kind: str = 'near') -> None" in told
    assert "measure(self, X: ArrayLike, weights: ArrayLike None = None)" in told
    assert "-> dict[str, numpy.ndarray] numpy.ndarray" in told
    assert list(settings.declared(Explained)) == ["width", "kind"]


@pytest.mark.parametrize("estimator", [DDPM, DMAP, GPLM, ImageAutoencoder])
def test_help_of_a_public_estimator_says_what_each_setting_is(estimator):
    head, _, _ = pydoc.plain(pydoc.render_doc(estimator)).partition("Class methods inherited")
    for noise in ("Annotated", "OneOf", "msgspec", "_SupportsArray"):
        assert noise not in head
    for name in settings.declared(estimator):
        assert f"\n |      {name}: " in head
