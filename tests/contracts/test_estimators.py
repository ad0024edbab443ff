"""Every estimator through scikit-learn's own contract."""

from collections.abc import Iterator

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.manifold_autoencoder import ManifoldAutoencoder

# Class name -> check -> why it is not passed yet.
EXPECTED_FAILURES: dict[str, dict[str, str]] = {}

ESTIMATORS = [DMAP(), GPLM(), ManifoldAutoencoder(prior=None)]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """On cores shared with others, waiting threads cost problems as small as these more than they win."""
    with threadpool_limits(1):
        yield


def _expected(estimator):
    return EXPECTED_FAILURES.get(type(estimator).__name__, {})


# Some of the checks' data are three blobs far apart, and it is right to say so.
@pytest.mark.filterwarnings("ignore:DMAP. the neighbour graph falls into:UserWarning")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=_expected)
def test_scikit_learn_contract(estimator, check):
    check(estimator)
