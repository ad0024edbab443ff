import jax
import numpy as np
import pytest

from close import assert_close
from dima.errors import ArtifactError, BackendError, SettingError, ShapeError
from dima.manifold.dmap import DMAP
from dima.model import persist
from dima.model.dima import DIMA

TINY = {"n_iter": 20, "hidden_dim": 16, "T": 20, "batch_size": 32}


def test_the_constructor_fits_with_every_setting_used(rows):
    dima = DIMA(
        rows,
        d=5,
        dmap_kwargs={"k": 50, "alpha": 0.5, "t": 0.5},
        gplm_kwargs={"m": 60, "sigma2": 1e-3, "pred_k": 30},
        ddpm_kwargs=TINY,
        ddpm_device="cpu",
    )
    assert (dima.model.dmap_.k_, dima.model.dmap_.alpha, dima.model.dmap_.t) == (50, 0.5, 0.5)
    assert (dima.model.gplm_.m_, dima.model.gplm_.sigma2_, dima.model.gplm_.pred_k) == (60, 1e-3, 30)
    assert (dima.model.prior_.T, dima.model.prior_.device) == (20, "cpu")


def test_greek_settings_are_understood(rows):
    dima = DIMA(rows, d=2, dmap_kwargs={"α": 0.0}, gplm_kwargs={"σ2": 0.1}, ddpm_kwargs=TINY)
    assert (dima.model.dmap_.alpha, dima.model.gplm_.sigma2_) == (0.0, 0.1)


def test_latents_are_jax_arrays_and_rows_are_numpy(dima, rows):
    Z = dima.encode(rows[:5])
    assert isinstance(Z, jax.Array)
    assert isinstance(dima.sample(2, decode=False), jax.Array)
    assert isinstance(dima.decode(Z), np.ndarray)
    assert isinstance(dima.sample(2), np.ndarray)


def test_calling_goes_by_the_last_axis(dima, rows):
    assert_close(dima(rows[:5]), dima.encode(rows[:5]), atol=0)
    assert_close(dima(dima(rows[:5])), dima.decode(dima.encode(rows[:5])), atol=0)


def test_calling_refuses_another_width(dima):
    with pytest.raises(ShapeError, match=r"as wide as the data \(64\) or the latents \(4\)"):
        dima(np.zeros((2, 7)))
    with pytest.raises(ShapeError, match="as wide as"):
        dima(3.0)


def test_calling_is_ambiguous_when_the_widths_agree(rows):
    dima = DIMA(rows[:, 20:24], d=4, dmap_kwargs={"k": 60}, ddpm_kwargs=TINY)
    with pytest.raises(ShapeError, match="Call encode or decode by name"):
        dima(rows[:5, 20:24])


def test_refinement_goes_through_the_prior(dima, rows):
    Z = dima.encode(rows[:5])
    refined = dima.model.refine(Z, t_start=7, add_noise=False, seed=3)
    decoded = dima.decode(Z, refine=True, t_start=7, add_noise=False, seed=3)
    assert_close(decoded, dima.model.inverse_transform(refined), atol=0)
    assert np.abs(decoded - dima.decode(Z)).max() > 1e-3


def test_save_local_and_load_local_are_equal_to_the_bit(dima, rows, tmp_path):
    dima.save_local(tmp_path / "dima.msgpack", tmp_path / "config.json")
    loaded = DIMA.load_local(tmp_path / "dima.msgpack", ddpm_device="auto")
    assert np.array_equal(loaded.encode(rows[:9] + 0.3), dima.encode(rows[:9] + 0.3))
    assert np.array_equal(loaded.sample(5, seed=2), dima.sample(5, seed=2))
    assert (tmp_path / "config.json").exists()


def test_load_local_refuses_another_kind(rows, tmp_path):
    persist.save_single(DMAP(2).fit(rows), tmp_path / "m.msgpack", tmp_path / "c.json")
    with pytest.raises(ArtifactError, match="must be a ManifoldAutoencoder; got DMAP"):
        DIMA.load_local(tmp_path / "m.msgpack")


def test_a_gpu_that_is_not_there_is_said(rows, dima, tmp_path):
    with pytest.raises(BackendError, match="pass"):
        DIMA(rows, d=2, ddpm_kwargs=TINY, ddpm_device="gpu")
    dima.save_local(tmp_path / "dima.msgpack", tmp_path / "config.json")
    with pytest.raises(BackendError, match="gpu"):
        DIMA.load_local(tmp_path / "dima.msgpack", ddpm_device="gpu")


def test_an_unknown_setting_is_an_error(rows):
    with pytest.raises(SettingError, match="Did you mean 'hidden_dim'"):
        DIMA(rows, ddpm_kwargs={"hiden_dim": 4})
