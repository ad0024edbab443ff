"""Every estimator through scikit-learn's own contract."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.autoencoder import ManifoldAutoencoder

# Class name -> check -> why it is not passed yet.
EXPECTED_FAILURES: dict[str, dict[str, str]] = {}

ESTIMATORS = [DMAP(), GPLM(), ManifoldAutoencoder(prior=None)]


def _expected(estimator):
    return EXPECTED_FAILURES.get(type(estimator).__name__, {})


# Some of the checks' data are three blobs far apart, and it is right to say so.
@pytest.mark.filterwarnings("ignore:DMAP. the neighbour graph falls into:UserWarning")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=_expected)
def test_scikit_learn_contract(estimator, check):
    check(estimator)
