"""Derivatives of the decoder against finite differences, and lengths against those of decoded paths."""

import numpy as np
import pytest

from close import assert_close
from dima import blocks
from dima.errors import NotFittedError, ShapeError
from dima.manifold import jacobian
from dima.manifold.gplm import GPLM
from manifold.shapes import R_AX, R_IX, R_IX_DATA, cloud

FIXED = {"eps": 2.0, "sigma2": 1e-3}


def differences(decode, R_ax, step):
    """Central differences (b, D, d), of fourth order."""
    columns = []
    for direction in np.eye(R_ax.shape[1]) * step:
        near = decode(R_ax + direction) - decode(R_ax - direction)
        far = decode(R_ax + 2 * direction) - decode(R_ax - 2 * direction)
        columns.append((8 * near - far) / (12 * step))
    return np.stack(columns, axis=2)


@pytest.mark.parametrize("given", [{}, {"whiten_latent": True}, {"center_X": False}, {"pred_k": 9}], ids=str)
@pytest.mark.parametrize("unit", [1.0, 1e-3])
def test_it_is_the_limit_of_differences(given, unit):
    gplm = GPLM(40, sigma2=1e-3, **given).fit(unit * R_IX, R_IX_DATA)
    whole = GPLM(**gplm.get_params() | {"pred_k": None}).fit(unit * R_IX, R_IX_DATA)
    expected = differences(whole.predict, unit * R_AX, 1e-2 * unit)
    assert_close(unit * gplm.jacobian(unit * R_AX), unit * expected, atol=2e-6)


def test_latents_far_from_the_origin_cost_no_digits():
    R_ix = R_IX + 1e6
    moved = GPLM(40, **FIXED).fit(R_ix, R_IX_DATA).jacobian(R_AX + 1e6)
    assert_close(moved, GPLM(40, **FIXED).fit(R_IX, R_IX_DATA).jacobian(R_AX), atol=1e-4)


def test_flat_targets_have_one_derivative_a_latent():
    flat = GPLM(40, **FIXED).fit(R_IX, R_IX_DATA[:, 0])
    column = GPLM(40, **FIXED).fit(R_IX, R_IX_DATA[:, :1])
    assert flat.jacobian(R_AX).shape == (50, 2)
    assert_close(flat.jacobian(R_AX), column.jacobian(R_AX)[:, 0])
    assert_close(flat.metric_tensor(R_AX), column.metric_tensor(R_AX))


def test_blocks_change_nothing(monkeypatch):
    gplm = GPLM(40, **FIXED).fit(R_IX, R_IX_DATA)
    whole = gplm.jacobian(R_AX), gplm.metric_tensor(R_AX)
    monkeypatch.setattr(jacobian, "rows_within", lambda size: blocks.rows_within(size, 3 * size))
    assert_close(gplm.jacobian(R_AX), whole[0], atol=1e-10)
    assert_close(gplm.metric_tensor(R_AX), whole[1], atol=1e-9)


def test_nothing_moves_far_away():
    gplm = GPLM(40, **FIXED).fit(R_IX, R_IX_DATA)
    far = [[1e3, 0.0], [1e18, -1e18], [0.0, 0.0]]
    with pytest.warns(UserWarning, match="^GPLM.jacobian: 2 of 3 rows lie far .* derivatives are zero"):
        assert_close(gplm.jacobian(far)[:2], np.zeros((2, 4, 2)))
    with pytest.warns(UserWarning, match="^GPLM.metric_tensor: 2 of 3 rows lie far .* metric is zero"):
        assert_close(gplm.metric_tensor(far)[:2], np.zeros((2, 2, 2)))


def test_metric_measures_what_decodes():
    """Length of a path by the metric along it, against the length of the decoded polygon."""
    gplm = GPLM(60, **FIXED).fit(R_IX, R_IX_DATA)
    share = np.linspace(0, 1, 2001)[:, None]
    path = (1 - share) * np.array([-1.5, -1.0]) + share * np.array([1.0, 1.5])
    step, middle = np.diff(path, axis=0), (path[1:] + path[:-1]) / 2
    lengths = np.sqrt(np.einsum("ax,axy,ay->a", step, gplm.metric_tensor(middle), step))
    walked = np.linalg.norm(np.diff(gplm.predict(path), axis=0), axis=1)
    assert lengths.sum() == pytest.approx(walked.sum(), rel=1e-5)


def test_pulled_back_is_the_product(rng):
    A = rng.standard_normal((6, 5, 3))
    metric = jacobian.pulled_back(lambda ix: A[ix[:, 0].astype(int)], np.tile(np.arange(6)[:, None], 3), 5)
    assert_close(metric, np.einsum("aXx,aXy->axy", A, A), atol=1e-12)


def test_it_needs_a_fit_and_its_width():
    with pytest.raises(NotFittedError):
        GPLM().jacobian(R_AX)
    gplm = GPLM(40, **FIXED).fit(R_IX, R_IX_DATA)
    for call in (gplm.jacobian, gplm.metric_tensor):
        with pytest.raises(ShapeError):
            call(cloud(5, 3))


def test_what_weights_pull_along_is_the_sum_written_out(rng):
    z_ax, z_mx, weights = (
        rng.standard_normal((5, 2)) + 1e7,
        rng.standard_normal((7, 2)) + 1e7,
        rng.random((5, 7)),
    )
    expected = [
        [(2 * (z_mx[:, x] - z[x]) / 0.7 * w).sum() for x in range(2)]
        for z, w in zip(z_ax, weights, strict=True)
    ]
    assert_close(jacobian.pulled_along(z_ax, z_mx, weights, 0.7), expected, rtol=1e-9)
