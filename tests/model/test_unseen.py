"""Maps looked into on rows they have not seen."""

import contextlib
import threading

import numpy as np
from threadpoolctl import threadpool_limits

from close import assert_close
from dima.data.manifolds import swiss_roll
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model import unseen
from dima.model.manifold_map import ManifoldMap
from dima.model.tuning import Trial, Tuned, tune
from dima.model.unseen import does_better
from dima.threads import side_by_side


def test_folds_side_by_side_have_nothing_in_common(monkeypatch):
    curved, both_fitted, asked = swiss_roll(1200)[0], threading.Barrier(2, timeout=60), []

    class Waiting(GPLM):
        def fit(self, *given, **named):
            super().fit(*given, **named)
            if len(asked) == 2:  # a decoder of both folds would be that of the second now
                both_fitted.wait()
            return self

    @contextlib.contextmanager
    def watched(work, items):
        with side_by_side(work, items) as results:
            found = list(results)
            asked[-1].extend(found)
            yield iter(found)

    monkeypatch.setattr(unseen, "side_by_side", watched)
    tuned = tune(DMAP(2), ("coordinates",), curved)
    for n_threads in (1, 2):
        asked.append([])
        with threadpool_limits(n_threads):
            assert does_better(ManifoldMap, tuned, Waiting(60), curved, len(curved))
    assert len(asked[0]) == 2
    assert_close(asked[1], asked[0], rtol=1e-6)


def test_a_map_of_as_many_neighbours_or_points_as_rows_is_looked_into_with_fewer():
    curved = swiss_roll(300)[0]
    tuned = tune(DMAP(2, k=300, coordinates="chart", eps_mul=0.01), (), curved)
    for gplm in (GPLM(), GPLM(300)):
        assert does_better(ManifoldMap, tuned, gplm, curved, 300)


def test_a_map_of_rows_that_are_equal_without_an_outlier_does_not_hold():
    few = np.ones((30, 3))
    few[5] = 3.0
    tuned = Tuned(DMAP(1), 1, (Trial("chart", 2, 1.0, 1, 0.5),))
    assert not does_better(ManifoldMap, tuned, GPLM(), few, len(few))
