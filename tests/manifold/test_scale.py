"""Latents in units of their spread."""

import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError
from dima.manifold.scale import LatentScale
from manifold.shapes import cloud

LATENTS = cloud(200, 3) * [1.0, 10.0, 0.1] + [5.0, 0.0, -2.0]


def test_whitened_axes_have_unit_variance():
    scale = LatentScale.of(LATENTS, whiten=True, owner="own")
    scaled = scale.scaled(LATENTS)
    assert_close(scaled.std(axis=0), np.ones(3), rtol=1e-12)
    assert_close(scaled.mean(axis=0), np.zeros(3), atol=1e-12)
    assert scale.unit2 == 1.0


def test_one_unit_keeps_ratios_of_distances():
    scale = LatentScale.of(LATENTS, whiten=False, owner="own")
    apart = np.square(LATENTS[0] - LATENTS[1]).sum()
    scaled = scale.scaled(LATENTS)
    assert np.square(scaled[0] - scaled[1]).sum() * scale.unit2 == pytest.approx(apart, rel=1e-12)
    assert np.square(scaled).mean() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("whiten", [True, False])
@pytest.mark.parametrize("factor", [1e-30, 1.0, 1e30])
def test_the_map_goes_back(whiten, factor):
    scale = LatentScale.of(factor * LATENTS, whiten=whiten, owner="own")
    assert_close(scale.restored(scale.scaled(factor * LATENTS)), factor * LATENTS, rtol=1e-10)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e20])
@pytest.mark.parametrize("whiten", [True, False])
def test_an_axis_that_never_varies_takes_the_common_unit(whiten, value):
    still = np.column_stack([LATENTS, np.full(200, value)])
    scale = LatentScale.of(still, whiten=whiten, owner="own")
    common = np.sqrt(np.append(LATENTS.std(axis=0) ** 2, 0.0).mean())
    assert scale.scale_x[3] == pytest.approx(common, rel=1e-12)


def test_latents_that_never_vary_have_unit_one():
    scale = LatentScale.of(np.full((7, 2), 0.1), whiten=False, owner="own")
    assert_close(scale.scale_x, np.ones(2))


@pytest.mark.parametrize("factor", [1e-200, 1e200, 1e307])
def test_spreads_whose_squares_overflow_are_refused(factor):
    with pytest.raises(DataError, match=r"^own: latents must be spread out by 1e-140"):
        LatentScale.of(factor * np.tanh(LATENTS), whiten=True, owner="own")


def test_absurdly_far_latents_stay_finite():
    scale = LatentScale.of(LATENTS * 1e-100, whiten=True, owner="own")
    assert_close(scale.scaled(np.full((1, 3), -1e300)), np.full((1, 3), -1e15))
