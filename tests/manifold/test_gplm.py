"""The kernel decoder against scikit-learn's kernel ridge, and every way of asking it the same."""

import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import r2_score

from close import assert_close
from dima.errors import DataError, DataTypeError, SettingError, ShapeError
from dima.manifold.gplm import GPLM
from manifold.shapes import R_AX, R_AX_DATA, R_IX, R_IX_DATA, cloud, smooth

FIXED = {"eps": 2.0, "sigma2": 1e-3}


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e5])
@pytest.mark.parametrize("whiten", [False, True])
def test_all_points_inducing_is_kernel_ridge(unit, whiten):
    spread = R_IX.std(axis=0) * unit if whiten else 1.0
    eps = 2.0 if whiten else 2.0 * unit**2
    gplm = GPLM(120, eps=eps, sigma2=1e-3, whiten_latent=whiten).fit(unit * R_IX, R_IX_DATA)
    ridge = KernelRidge(kernel="rbf", gamma=1 / eps, alpha=1e-3)
    mean = R_IX_DATA.mean(axis=0)
    ridge.fit(unit * R_IX / spread, R_IX_DATA - mean)
    assert_close(gplm.predict(unit * R_AX), ridge.predict(unit * R_AX / spread) + mean, atol=1e-6)
    assert gplm.eps_ == eps


def test_without_centring_it_is_kernel_ridge_on_the_data():
    gplm = GPLM(120, **FIXED, center_X=False).fit(R_IX, R_IX_DATA)
    ridge = KernelRidge(kernel="rbf", gamma=0.5, alpha=1e-3).fit(R_IX, R_IX_DATA)
    assert_close(gplm.predict(R_AX), ridge.predict(R_AX), atol=1e-5)
    assert_close(gplm.mu_X_, np.zeros(4))


def test_fewer_inducing_points_are_the_subset_of_regressors():
    gplm = GPLM(30, **FIXED, inducing="fps").fit(R_IX, R_IX_DATA)
    Z_mx, mean = gplm.Z_mx_, R_IX_DATA.mean(axis=0)

    def kernel(a, b):
        return np.exp(-((a[:, None] - b) ** 2).sum(axis=2) / 2.0)

    C_im, K_mm = kernel(R_IX, Z_mx), kernel(Z_mx, Z_mx)
    M_mX = np.linalg.solve(C_im.T @ C_im + 1e-3 * K_mm, C_im.T @ (R_IX_DATA - mean))
    assert_close(gplm.predict(R_AX), kernel(R_AX, Z_mx) @ M_mX + mean, atol=1e-6)


@pytest.mark.parametrize("given", [{}, {"pred_k": 20}, {"m": 20, "inducing": "fps"}], ids=str)
def test_streaming_changes_nothing(given):
    whole = GPLM(**(FIXED | {"m": 60} | given)).fit(R_IX, R_IX_DATA)
    streamed = GPLM(**(FIXED | {"m": 60} | given), fit_block=7).fit(R_IX, R_IX_DATA)
    assert_close(streamed.predict(R_AX), whole.predict(R_AX), atol=1e-8)


@pytest.mark.parametrize("given", [{}, {"pred_k": 20}], ids=str)
def test_a_row_at_a_time_is_the_batch(given):
    gplm = GPLM(60, **FIXED, **given).fit(R_IX, R_IX_DATA)
    one_by_one = np.vstack([gplm.predict(row[None]) for row in R_AX])
    assert_close(one_by_one, gplm.predict(R_AX), atol=1e-10)


def test_predicted_error_is_the_error_of_new_rows():
    R_ix, R_iX = smooth(400, D=20)
    R_ax, R_aX = smooth(2000, D=20, seed=1)
    noise = np.random.default_rng(5)
    R_iX, R_aX = (x + 0.3 * noise.standard_normal(x.shape) for x in (R_iX, R_aX))
    gplm = GPLM().fit(R_ix, R_iX)
    held_out = np.square(R_aX - gplm.predict(R_ax)).sum() / np.square(R_aX - R_iX.mean(axis=0)).sum()
    assert gplm.press_.error == pytest.approx(held_out, rel=0.1)


def test_all_nearest_is_all():
    full, all_near = (GPLM(50, **FIXED, pred_k=k).fit(R_IX, R_IX_DATA) for k in (None, 50))
    assert_close(all_near.predict(R_AX), full.predict(R_AX))


def test_few_nearest_lose_little():
    R_ix, R_iX = smooth(600)
    R_iX = R_iX + 0.02 * cloud(600, 4)
    full, near = (GPLM(300, pred_k=k).fit(R_ix, R_iX).predict(R_AX) for k in (None, 64))
    lost = [np.sqrt(np.square(decoded - R_AX_DATA).mean()) for decoded in (full, near)]
    assert lost[1] <= 1.1 * lost[0]


def test_a_second_fit_forgets_the_first():
    gplm = GPLM(50, **FIXED, pred_k=15).fit(R_IX, R_IX_DATA)
    gplm.predict(R_AX)
    gplm.fit(R_IX, -3 * R_IX_DATA)
    assert_close(gplm.predict(R_AX), clone(gplm).fit(R_IX, -3 * R_IX_DATA).predict(R_AX))


@pytest.mark.parametrize("pred_k", [None, 15])
def test_settings_changed_after_fit_wait_for_the_next(pred_k):
    gplm = GPLM(50, **FIXED, pred_k=pred_k).fit(R_IX, R_IX_DATA)
    before = gplm.predict(R_AX)
    gplm.set_params(pred_k=3, fit_block=1, ann_backend="sklearn", eps=9.0, whiten_latent=True)
    assert_close(gplm.predict(R_AX), before)
    assert_close(GPLM.from_arrays(*gplm.to_arrays()).predict(R_AX), before)


def test_facts_are_plain_and_agree_with_the_fit():
    gplm = GPLM(30, **FIXED).fit(R_IX, R_IX_DATA)
    facts = gplm.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["inducing_points_m"], facts["rank"]) == (30, gplm.rank_)
    assert (facts["decoder_bandwidth"], facts["decoder_ridge"]) == (2.0, 1e-3)
    assert facts["predicted_error"] == gplm.press_.error


def test_no_ridge_interpolates():
    gplm = GPLM(120, eps=0.05, sigma2=0).fit(R_IX, R_IX_DATA)
    assert gplm.sigma2_ == 0.0
    assert_close(gplm.predict(R_IX), R_IX_DATA, atol=1e-5)
    assert np.isfinite(GPLM(30, sigma2=0).fit(R_IX, R_IX_DATA).predict(R_AX)).all()


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
@pytest.mark.parametrize("given", [{}, {"whiten_latent": True}, {"sigma2": 0.0}, {"m": 3}], ids=str)
def test_latents_that_never_vary_decode_to_the_mean(given, value):
    gplm = GPLM(**given).fit(np.full((20, 2), value), R_IX_DATA[:20])
    mean = R_IX_DATA[:20].mean(axis=0)
    assert gplm.rank_ == 1
    assert_close(gplm.predict(np.full((3, 2), value)), np.tile(mean, (3, 1)), rtol=1e-9)


@pytest.mark.parametrize("whiten", [True, False])
def test_a_constant_axis_changes_nothing(whiten):
    plain = GPLM(120, eps=2.0, sigma2=1e-3, whiten_latent=whiten).fit(R_IX, R_IX_DATA)
    padded = clone(plain).fit(np.column_stack([R_IX, np.full(120, 0.1)]), R_IX_DATA)
    decoded = padded.predict(np.column_stack([R_AX, np.full(50, 0.1)]))
    assert_close(decoded, plain.predict(R_AX), atol=1e-9)


def test_flat_targets_decode_flat():
    flat = GPLM(40, **FIXED).fit(R_IX, R_IX_DATA[:, 0])
    column = GPLM(40, **FIXED).fit(R_IX, R_IX_DATA[:, :1])
    assert flat.predict(R_AX).shape == (50,)
    assert_close(flat.predict(R_AX), column.predict(R_AX)[:, 0])


def test_constant_targets_are_decoded():
    decoded = GPLM(10).fit(R_IX, np.full((120, 2), 7.0)).predict(R_AX)
    assert_close(decoded, np.full((50, 2), 7.0), rtol=1e-12)


def test_given_inducing_points_are_used():
    Z_mx = R_IX[::4].astype(np.float32)
    gplm = GPLM(inducing="given", **FIXED).fit(R_IX, R_IX_DATA, Z_mx=Z_mx)
    assert_close(gplm.Z_mx_, Z_mx, atol=1e-12)
    assert gplm.m_ == 30
    same = GPLM(30, inducing="given", **FIXED).fit(R_IX, R_IX_DATA, Z_mx)
    assert_close(same.predict(R_AX), gplm.predict(R_AX))


@pytest.mark.parametrize(
    ("given", "Z_mx", "error", "told"),
    [
        ({"m": 121}, None, SettingError, r"m must be at most n = 120; got 121\. Lower m or pass more"),
        ({"m": 10, "pred_k": 11}, None, SettingError, "pred_k must be at most m = 10; got 11"),
        ({"m": 10, "k_eps": 11}, None, SettingError, "k_eps must be at most m = 10; got 11"),
        ({"eps": 1.0, "k_eps": 5}, None, SettingError, "bandwidth must be given once; got eps=1.0 and"),
        ({"inducing": "given"}, None, SettingError, "Z_mx must be handed to fit exactly with"),
        ({}, R_IX, SettingError, "Z_mx must be handed to fit exactly with"),
        ({"inducing": "given", "m": 9}, R_IX, SettingError, "m must be None or the rows of Z_mx = 120"),
        ({"inducing": "given"}, R_IX[:, :1], ShapeError, r"Z_mx must have shape \(m, 2\)"),
        ({"inducing": "given"}, R_IX[:0], DataError, r"Z_mx must hold at least one number"),
        ({"inducing": "given"}, [["a", "b"]], DataTypeError, "Z_mx must be real numbers"),
        ({"inducing": "given"}, R_IX * np.nan, DataError, "Z_mx must be finite"),
        ({"eps": 1e-300}, None, SettingError, "eps must be a finite number >= 1e-40 and <= 1e"),
        ({"sigma2": -1.0}, None, SettingError, "sigma2 must be"),
        ({"jitter": 1.0}, None, SettingError, "jitter must be"),
        ({"inducing": "best"}, None, SettingError, "inducing must be one of 'kmeans_medoids'"),
        ({"m": 10.5}, None, SettingError, "m must be"),
    ],
)
def test_contradictions_are_refused(given, Z_mx, error, told):
    with pytest.raises(error, match=f"^GPLM: {told}"):
        GPLM(**given).fit(R_IX, R_IX_DATA, Z_mx)


@pytest.mark.parametrize("given", [{}, {"pred_k": 15}, {"whiten_latent": True}, {"k_eps": 7}], ids=str)
def test_saved_decoders_are_equal_to_the_bit(given):
    gplm = GPLM(np.int64(40), jitter=np.float32(1e-9), **given).fit(1e3 * R_IX, R_IX_DATA)
    saved, arrays = gplm.to_arrays()
    restored = GPLM.from_arrays(json.loads(json.dumps(saved)), {k: v.copy() for k, v in arrays.items()})
    assert restored.get_params() == clone(gplm).get_params()
    assert_close(restored.predict(1e3 * R_AX), gplm.predict(1e3 * R_AX))
    for name in ("eps_", "sigma2_", "m_", "rank_", "n_features_in_"):
        assert getattr(restored, name) == getattr(gplm, name)
    assert_close(restored.Z_mx_, gplm.Z_mx_)
    assert restored.press_.error == gplm.press_.error
    assert_close(restored.press_.curve, gplm.press_.curve)


def test_flat_targets_survive_saving():
    gplm = GPLM(20).fit(R_IX, R_IX_DATA[:, 0])
    assert GPLM.from_arrays(*gplm.to_arrays()).predict(R_AX).shape == (50,)


@pytest.mark.parametrize("pred_k", [None, 10])
@pytest.mark.parametrize("distance", [1e3, 1e18])
def test_far_latents_decode_to_the_mean_and_say_so(pred_k, distance):
    gplm = GPLM(40, **FIXED, pred_k=pred_k).fit(R_IX, R_IX_DATA)
    with pytest.warns(UserWarning, match="^GPLM: 1 of 3 rows lie far from all inducing points"):
        decoded = gplm.predict(np.vstack([R_AX[:2], [[distance, -distance]]]))
    assert_close(decoded[2], R_IX_DATA.mean(axis=0), rtol=1e-12)
    assert_close(decoded[:2], gplm.predict(R_AX[:2]), atol=1e-10)


def test_more_columns_than_rows():
    R_iX = R_IX_DATA @ cloud(4, 1000)
    gplm = GPLM(60).fit(R_IX, R_iX)
    assert r2_score(R_AX_DATA @ cloud(4, 1000), gplm.predict(R_AX)) > 0.95


@pytest.mark.parametrize(
    "given", [{}, {"center_X": False}, {"whiten_latent": True}, {"fit_block": 7}, {"pred_k": 10}], ids=str
)
@pytest.mark.parametrize("sigma2", [1e-3, 0.1])
def test_left_out_residuals_are_those_of_refits(given, sigma2):
    """By the normal equations of the kernel itself, with each row deleted; the mean stays."""
    gplm = GPLM(30, eps=2.0, sigma2=sigma2, **given).fit(R_IX, R_IX_DATA)
    spread = R_IX.std(axis=0) if "whiten_latent" in given else 1.0

    def kernel(a, b):
        return np.exp(-((a[:, None] / spread - b / spread) ** 2).sum(axis=2) / 2.0)

    C_im, K_mm, Y = kernel(R_IX, gplm.Z_mx_), kernel(gplm.Z_mx_, gplm.Z_mx_), R_IX_DATA - gplm.mu_X_
    expected = np.empty_like(Y)
    for i in range(len(Y)):
        C, others = np.delete(C_im, i, axis=0), np.delete(Y, i, axis=0)
        expected[i] = Y[i] - C_im[i] @ np.linalg.lstsq(C.T @ C + sigma2 * K_mm, C.T @ others, rcond=None)[0]
    residuals = gplm.left_out(R_IX, R_IX_DATA)
    assert_close(residuals, expected, atol=1e-4)
    share = np.square(residuals).sum() / np.square(Y).sum()
    assert gplm.press_.error == pytest.approx(share, rel=1e-6)


def test_left_out_residuals_are_larger_than_those_of_the_fit_and_like_those_of_new_rows():
    R_ix, R_iX = smooth(300, D=5)
    R_ax, R_aX = smooth(1000, D=5, seed=1)
    noise = np.random.default_rng(5)
    R_iX, R_aX = (x + 0.3 * noise.standard_normal(x.shape) for x in (R_iX, R_aX))
    gplm = GPLM(60).fit(R_ix, R_iX)
    left_out = gplm.left_out(R_ix, R_iX).std()
    assert left_out > 1.01 * (R_iX - gplm.predict(R_ix)).std()
    assert left_out == pytest.approx((R_aX - gplm.predict(R_ax)).std(), rel=0.1)


def test_left_out_survives_saving_and_refuses_other_shapes():
    gplm = GPLM(30, **FIXED).fit(R_IX, R_IX_DATA)
    again = GPLM.from_arrays(*gplm.to_arrays())
    assert_close(again.left_out(R_IX, R_IX_DATA), gplm.left_out(R_IX, R_IX_DATA))
    for latents, data in ((R_IX, R_IX_DATA[:-1]), (R_IX, R_IX_DATA[:, :2]), (R_IX[:, :1], R_IX_DATA)):
        with pytest.raises(ShapeError):
            gplm.left_out(latents, data)
