import numpy as np
import pytest
from threadpoolctl import threadpool_info

from close import assert_close
from dima.manifold.eigen import eigh


@pytest.mark.parametrize("n", [1, 5, 40])
def test_pairs_rebuild_the_matrix(rng, n):
    A = rng.standard_normal((n, n))
    A = A + A.T
    values, vectors = eigh(A)
    assert_close(vectors * values @ vectors.T, A, atol=1e-12)
    assert_close(vectors.T @ vectors, np.eye(n), atol=1e-12)
    assert (np.diff(values) >= 0).all()


def test_the_threads_of_the_process_are_left_as_they_were(rng):
    before = [pool["num_threads"] for pool in threadpool_info()]
    eigh(np.eye(3))
    assert [pool["num_threads"] for pool in threadpool_info()] == before
