"""Latents in the plane: what is near stays near, by either method."""

import numpy as np
import pytest

from dima.errors import DataError, SettingError
from dima.model.plane import METHODS, to_plane


@pytest.mark.parametrize("method", METHODS)
def test_groups_stay_apart(method, rng):
    Z = np.vstack([rng.standard_normal((30, 4)) + 4 * at for at in (0, 1)])
    points = to_plane(Z, method)
    a, b = points[:30], points[30:]
    assert points.shape == (60, 2)
    between = np.linalg.norm(a.mean(axis=0) - b.mean(axis=0))
    assert between > 2 * max(a.std(), b.std()) * 0.5
    np.testing.assert_array_equal(points, to_plane(Z, method))


def test_what_cannot_be_is_refused(rng):
    with pytest.raises(SettingError, match="one of tsne, dmap; got 'umap'"):
        to_plane(rng.standard_normal((20, 3)), "umap")
    with pytest.raises(DataError, match="at least 10 latents; got 4"):
        to_plane(rng.standard_normal((4, 3)))
