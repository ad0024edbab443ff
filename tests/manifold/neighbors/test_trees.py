"""Trees find what exact search finds."""

import numpy as np
import pytest

from close import assert_close
from dima.manifold.neighbors import brute, trees
from manifold.shapes import cloud


@pytest.mark.parametrize("D", [1, 4, 20])
def test_trees_equal_brute(D):
    points, queries = cloud(150, D).astype(np.float32), cloud(30, D, seed=1).astype(np.float32)
    ids, d2 = trees.search(points, queries, 6)
    exact_ids, exact_d2 = brute.search(points, queries, 6)
    assert_close(ids, exact_ids)
    assert_close(d2, exact_d2, rtol=1e-4, atol=1e-7)
    assert (ids.dtype, d2.dtype) == (np.int32, np.float32)
