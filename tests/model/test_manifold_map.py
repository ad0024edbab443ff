"""The autoencoder of two estimators is the two estimators."""

import numpy as np

from close import assert_close
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.manifold_map import ManifoldMap
from dima.model.stages import collected


def test_it_encodes_and_decodes_by_its_parts(rows):
    with collected() as stages:
        both = ManifoldMap(DMAP(3, k=40), GPLM(50)).fit(rows)
    assert [stage.name for stage in stages] == ["encoder", "decoder"]
    codes = both.encode(rows[:9] + 0.1)
    assert_close(codes, both.dmap.transform(rows[:9] + 0.1))
    assert_close(both.decode(codes), both.gplm.predict(codes))
    known, as_new = both.training_codes(rows)
    assert_close(known, both.dmap.embedding_)
    assert_close(as_new, both.dmap.self_excluded_)
    assert_close(both.training_rows(), rows, atol=1e-4)


def test_it_comes_back_and_says_what_both_chose(rows):
    both = ManifoldMap(DMAP(3, k=40), GPLM(50)).fit(rows)
    again = ManifoldMap.from_arrays(*both.to_arrays())
    assert np.array_equal(again.encode(rows[:9] + 0.1), both.encode(rows[:9] + 0.1))
    assert again.facts() == both.facts()
    assert {"neighbours_k", "inducing_points_m", "predicted_error"} <= set(both.facts())
    assert [section.title for section in both.sections()] == ["Spectrum"]
