"""The autoencoder of two estimators is the two estimators, and PCA of what they leave."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA

from close import assert_close
from dima.data.manifolds import s_curve, swiss_roll
from dima.errors import NumericsError
from dima.manifold.coordinates import COORDINATES
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.metrics.reconstruction import error_over_variance
from dima.model.manifold_map import ManifoldMap
from dima.model.stages import collected
from dima.model.tuning import Tuned


def test_it_encodes_and_decodes_by_its_parts(rows):
    with collected() as stages:
        both = ManifoldMap(DMAP(3, k=40), GPLM(50), 3).fit(rows)
    assert [stage.name for stage in stages] == ["tuning", "encoder", "decoder"]
    codes = both.encode(rows[:9] + 0.1)
    assert_close(codes, both.dmap.transform(rows[:9] + 0.1))
    assert_close(both.decode(codes), both.gplm.predict(codes))
    known, as_new = both.training_codes(rows)
    assert_close(known, both.dmap.embedding_)
    assert_close(as_new, both.dmap.self_excluded_)
    assert_close(both.training_rows(), rows, atol=1e-4)


def test_it_comes_back_and_says_what_both_chose(rows):
    both = ManifoldMap(DMAP(3, k=40), GPLM(50), 3).fit(rows)
    again = ManifoldMap.from_arrays(*both.to_arrays())
    assert np.array_equal(again.encode(rows[:9] + 0.1), both.encode(rows[:9] + 0.1))
    assert again.facts() == both.facts()
    assert {"neighbours_k", "inducing_points_m", "predicted_error"} <= set(both.facts())
    assert [section.title for section in both.sections()] == ["Spectrum"]
    chosen = ManifoldMap(DMAP(3, k=40), GPLM(50), free=["coordinates"]).fit(rows)
    table = chosen.sections()[-1].tables[0]
    assert [row[:3] for row in table.rows] == [["first", "fixed", "40"], ["chart", "fixed", "40"]]
    again = ManifoldMap.from_arrays(*chosen.to_arrays())
    assert (again.trials_, again.predicted_error_) == (chosen.trials_, chosen.predicted_error_)


def test_without_diffusion_coordinates_it_is_pca(rows):
    both, pca = ManifoldMap(DMAP(3, k=40), GPLM(50), 0).fit(rows), PCA(3).fit(rows)
    new = rows[:9] + 0.1
    assert_close(both.decode(both.encode(new)), pca.inverse_transform(pca.transform(new)), atol=1e-4)
    assert_close(both.left_out(rows), rows - pca.inverse_transform(pca.transform(rows)), atol=1e-3)


@pytest.mark.parametrize("split", [1, 2])
def test_the_last_coordinates_are_principal_ones_of_what_the_first_leave(rows, split):
    both = ManifoldMap(DMAP(3, k=40), GPLM(50), split).fit(rows)
    new = rows[:9] + 0.1
    first = both.dmap.transform(new)[:, :split]
    near = both.dmap.self_excluded_[:, :split]
    pca = PCA(3 - split).fit(both.gplm.left_out(near, rows))
    rest = pca.transform(new - both.gplm.predict(first))
    found = both.encode(new)
    assert_close(found[:, :split], first)
    assert_close(np.abs(found[:, split:]), np.abs(rest), atol=1e-4)
    assert_close(both.decode(found), both.gplm.predict(first) + pca.inverse_transform(rest), atol=1e-4)
    known, as_new = both.training_codes(rows)
    assert_close(known, both.encode(rows), atol=1e-3)
    assert not np.allclose(as_new, known)
    again = ManifoldMap.from_arrays(*both.to_arrays())
    assert np.array_equal(again.encode(new), found)
    assert again.facts() == both.facts()


def test_linear_data_are_given_to_pca_and_curved_ones_are_not(rng):
    flat = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 9)) + 0.05 * rng.standard_normal((300, 9))
    assert ManifoldMap(DMAP(3), GPLM()).fit(flat).d_diffusion_ == 0
    curved = swiss_roll(600)[0]
    both = ManifoldMap(DMAP(2), GPLM()).fit(curved[:500])
    assert both.d_diffusion_ > 0
    error = error_over_variance(curved[500:], both.decode(both.encode(curved[500:])), curved.mean(axis=0))
    assert error == pytest.approx(both.facts()["predicted_error"], rel=0.5)
    pca = PCA(2).fit(curved[:500])
    rival = pca.inverse_transform(pca.transform(curved[500:]))
    assert error < 0.6 * error_over_variance(curved[500:], rival, curved.mean(axis=0))


def test_principal_coordinates_alone_need_no_search_among_the_training_rows(monkeypatch, rows):
    both = ManifoldMap(DMAP(3), GPLM(), 0).fit(rows)
    before = both.encode(rows[:9])
    monkeypatch.delattr(DMAP, "transform")
    assert_close(both.encode(rows[:9]), before)


def test_what_a_sample_promised_and_all_rows_do_not_keep_is_not_taken(monkeypatch, rng):
    flat = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 9)) + 0.05 * rng.standard_normal((300, 9))
    pca = ManifoldMap(DMAP(3), GPLM(), 0).fit(flat)
    monkeypatch.setattr(ManifoldMap, "_tuned", lambda self, X: Tuned(clone(self.dmap), 3, ()))
    both = ManifoldMap(DMAP(3), GPLM()).fit(flat)
    assert both.d_diffusion_ == 0
    assert both.facts()["predicted_error"] == pca.facts()["predicted_error"]
    assert_close(both.decode(both.encode(flat)), pca.decode(pca.encode(flat)))
    assert ManifoldMap(DMAP(3), GPLM(), 3).fit(flat).d_diffusion_ == 3  # as asked
    narrow = flat[:, :2]  # three latents of two columns: one must be a diffusion coordinate
    monkeypatch.setattr(ManifoldMap, "_tuned", lambda self, X: Tuned(clone(self.dmap), 1, ()))
    assert ManifoldMap(DMAP(3), GPLM()).fit(narrow).d_diffusion_ == 1


def test_a_map_that_is_not_used_is_the_one_asked_for(monkeypatch, rows):
    class Failing(DMAP):
        def fit(self, *given, **named):
            if self.k == 7:
                raise NumericsError("DMAP: eigenpairs must be converged; got 0 of 8.")
            return super().fit(*given, **named)

    pca = ManifoldMap(DMAP(3), GPLM(), 0).fit(rows)
    for split in (2, 0):
        monkeypatch.setattr(ManifoldMap, "_tuned", lambda self, X, s=split: Tuned(Failing(3, k=7), s, ()))
        both = ManifoldMap(DMAP(3, k=30), GPLM()).fit(rows)
        assert (both.d_diffusion_, both.dmap.k) == (0, 30)
        assert_close(both.decode(both.encode(rows)), pca.decode(pca.encode(rows)))
    monkeypatch.setattr(ManifoldMap, "_tuned", lambda self, X: Tuned(Failing(3, k=7), 2, ()))
    with pytest.raises(NumericsError):
        ManifoldMap(DMAP(3), GPLM(), 2).fit(rows)  # two are asked for


@pytest.mark.parametrize("choice", [name for name in COORDINATES if name != "first"])
@pytest.mark.parametrize("split", [1, 2, None])
def test_other_coordinates_are_split_like_the_first(choice, split):
    sheet = s_curve(400)[0]
    both = ManifoldMap(DMAP(2, k=20, coordinates=choice), GPLM(100), split).fit(sheet)
    known, as_new = both.training_codes(sheet)
    assert known.shape == as_new.shape == (400, 2)
    assert_close(both.encode(sheet)[:, : both.d_diffusion_], known[:, : both.d_diffusion_], atol=1e-9)
    again = ManifoldMap.from_arrays(*both.to_arrays())
    assert_close(again.encode(sheet[:9] + 0.1), both.encode(sheet[:9] + 0.1))
    if split == 2:
        plain = ManifoldMap(DMAP(2, k=20), GPLM(100), 2).fit(sheet)
        assert both.expected_residual(sheet) < 0.8 * plain.expected_residual(sheet)


@pytest.mark.parametrize("split", [0, 2, 3])
def test_codes_as_new_are_kept_and_worked_out_where_they_were_not(rows, split):
    both = ManifoldMap(DMAP(3, k=40), GPLM(50), split).fit(rows)
    saved, arrays = both.to_arrays()
    _, as_new = both.training_codes(rows)
    assert_close(ManifoldMap.from_arrays(saved, arrays).training_codes(rows)[1], as_new)
    arrays.pop("new_codes", None)
    assert_close(ManifoldMap.from_arrays(saved, arrays).training_codes(rows)[1], as_new, atol=1e-9)
    decoded = both._decoded(both.dmap.self_excluded_)
    if split == 2:  # the rest is of decoders that each were left without the row, too
        assert not np.allclose(as_new[:, 2:], both._with_rest(as_new, rows, rows - decoded)[:, 2:], atol=1e-6)


def test_components_along_which_nothing_varies_are_zero_and_warned_of(rng):
    X = rng.standard_normal((80, 2)) @ rng.standard_normal((2, 10))
    with pytest.warns(
        UserWarning, match="2 of 4 latents are zero: the rows vary along no more than 2. Lower d"
    ):
        both = ManifoldMap(DMAP(4, k=20), GPLM(30), 0).fit(X)
    codes = both.encode(X + 1e-3 * rng.standard_normal(X.shape))
    assert (codes[:, 2:] == 0).all()
    assert_close(both.decode(both.encode(X)), X, atol=1e-9)
