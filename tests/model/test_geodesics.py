"""Geodesics of models against charts and rings whose lengths are known."""

import dataclasses

import numpy as np
import pytest

from close import assert_close
from dima import DMAP, ManifoldAutoencoder
from dima.data import manifolds
from dima.errors import SettingError, ShapeError
from dima.model import geodesics


@pytest.fixture(scope="module")
def roll():
    X, chart = manifolds.isometric_roll(1200)
    return ManifoldAutoencoder(2, prior=None).fit(X), X, chart


def test_lengths_on_a_roll_are_those_of_its_chart(roll, rng):
    model, X, chart = roll
    start, end = rng.integers(0, len(X), (2, 12))
    found = model.geodesic(model.transform(X[start]), model.transform(X[end]))
    true = np.linalg.norm(chart[start] - chart[end], axis=1)
    assert np.median(np.abs(found.length / true - 1)) < 0.02
    assert np.abs(found.length / true - 1).max() < 0.1
    ends = model.decoded(found.path[:, [0, -1]].reshape(-1, 2)).reshape(12, 2, 3)
    across = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    assert (found.length > across * 0.999).all()
    assert found.length.sum() > 1.4 * across.sum()  # through the air it is nearer


def test_on_a_noisy_ring_they_go_around(rng):
    around, ends = rng.uniform(0, 2 * np.pi, 500), np.array([0.5, 2.5, 3.9, 5.5])
    at = lambda angle: np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])  # noqa: E731
    X = at(around) + 0.02 * rng.standard_normal((500, 3))
    model = ManifoldAutoencoder(2, dmap=DMAP(2, k=30), d_diffusion=2, prior=None).fit(X)
    found = model.geodesic(model.transform(at(0 * ends)), model.transform(at(ends)))
    assert_close(found.length, np.minimum(ends, 2 * np.pi - ends), rtol=0.06)
    radius = np.linalg.norm(model.decoded(found.path.reshape(-1, 2)), axis=1)
    assert 0.93 < radius.min() < radius.max() < 1.07


def test_of_principal_components_they_are_straight(rng):
    X = rng.standard_normal((100, 4)) * [4, 3, 1, 0.1]
    model = ManifoldAutoencoder(2, d_diffusion=0, prior=None).fit(X)
    Z = model.transform(X[:6])
    found = model.geodesic(Z[:3], Z[3:], n=5)
    assert_close(found.path[:, 2], (Z[:3] + Z[3:]) / 2, atol=1e-4)
    assert_close(found.length, np.linalg.norm(model.decoded(Z[:3]) - model.decoded(Z[3:]), axis=1), rtol=1e-6)


@pytest.mark.parametrize("d_diffusion", [1, 2])
def test_the_factor_on_steps_has_the_slope_it_says(d_diffusion, rng):
    X = manifolds.s_curve(400)[0]
    model = ManifoldAutoencoder(2, d_diffusion=d_diffusion, prior=None).fit(X)
    surface, Z, h = geodesics._surface(model.fit_), model.transform(X[:20]) + 0.1, 1e-5
    factor, slopes = surface.doubt(Z)
    for axis in range(2):
        step = h * np.eye(2)[axis]
        moved = (surface.doubt(Z + step)[0] - surface.doubt(Z - step)[0]) / (2 * h)
        assert_close(slopes[:, axis], moved, atol=1e-4 * np.abs(slopes).max())
    far = surface.doubt(np.full((1, 2), 50.0))[0]
    assert 5 < far[0] <= 10
    assert 1 <= np.median(factor) < 2


def test_lengths_are_those_of_what_is_decoded_whatever_the_units_of_columns():
    X = manifolds.s_curve(300)[0] * [1, 1000, 1]
    model = ManifoldAutoencoder(2, columns="standard", prior=None).fit(X)
    Z = model.transform(X[:2])
    found = model.geodesic(Z[:1], Z[1:], n=60)
    apart = np.linalg.norm(np.diff(model.decoded(found.path[0]), axis=0), axis=1)
    assert_close(found.length, apart.sum()[None], rtol=1e-9)


def test_bad_ends_are_one_sentence(roll):
    model, X, _ = roll
    Z = model.transform(X[:3])
    with pytest.raises(
        SettingError, match=r"ManifoldAutoencoder.geodesic: n must be a whole number >= 2; got 1"
    ):
        model.geodesic(Z, Z, n=1)
    with pytest.raises(ShapeError, match=r"ManifoldAutoencoder.geodesic: end must have shape \(3, 2\)"):
        model.geodesic(Z, Z[:2])
    with pytest.raises(ShapeError, match=r"ManifoldAutoencoder.geodesic: start must"):
        model.geodesic(Z[:, :1], Z)


def test_a_path_does_not_depend_on_the_others_asked_for(roll):
    model, X, _ = roll
    Z = model.transform(X[:6])
    together = model.geodesic(Z[:3], Z[3:], n=8)
    alone = model.geodesic(Z[1:2], Z[4:5], n=8)
    assert_close(alone.path[0], together.path[1], atol=1e-6)


def test_a_decoder_saved_without_its_sums_says_what_they_are_wanted_for(roll, monkeypatch):
    model, X, _ = roll
    gplm = model.fit_.autoencoder.gplm
    monkeypatch.setattr(gplm, "fit_", dataclasses.replace(gplm.fit_, equations=None))
    with pytest.raises(SettingError, match="GPLM: sums over rows must be kept for geodesics; got one saved"):
        model.geodesic(model.transform(X[:1]), model.transform(X[1:2]))


def test_far_ends_are_said_once_in_the_name_of_what_was_called(roll):
    model, X, _ = roll
    Z = model.transform(X[:4])
    far = np.array([[1e4, 0.0], Z[3]])
    for method, ends, said in [
        (model.geodesic, (Z[:2], far), "geodesic: 1 of 2 paths lead far from all .*; their lengths"),
        (model.jacobian, (far,), "jacobian: 1 of 2 latents lie far from all .*; derivatives"),
        (model.metric_tensor, (far,), "metric_tensor: 1 of 2 latents lie far from all .*; diffus"),
    ]:
        with pytest.warns(UserWarning, match=f"^ManifoldAutoencoder.{said}") as record:
            method(*ends)
        assert len(record) == 1
