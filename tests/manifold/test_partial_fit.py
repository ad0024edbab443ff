"""A decoder that learns in parts against one that learns all rows at once."""

import dataclasses
import json

import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError, SettingError, ShapeError
from dima.manifold.gplm import GPLM
from manifold.shapes import R_AX, R_IX, R_IX_DATA, cloud, smooth

GIVEN = {"inducing": "given", "eps": 2.0, "sigma2": 1e-3}
POINTS = R_IX[::6]
UNIT = R_IX_DATA.std()
SECOND = R_IX + 0.05 * cloud(120, 2, seed=4)


def in_parts(gplm, ends, second=None):
    """Learn rows up to each of the ends in turn, the inducing points with the first."""
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        twin = None if second is None else second[start:end]
        points = POINTS if start == 0 else None
        gplm.partial_fit(R_IX[start:end], R_IX_DATA[start:end], points, in_sample_ix=twin)
    return gplm


@pytest.mark.parametrize("ends", [[120], [40, 120], [40, 41, 90, 120], [2, 120]], ids=str)
@pytest.mark.parametrize("given", [{}, {"center_X": False}, {"fit_block": 7}, {"pred_k": 12}], ids=str)
@pytest.mark.parametrize("second", [None, SECOND], ids=["one", "twins"])
def test_parts_are_the_batch(ends, given, second):
    parts = in_parts(GPLM(**GIVEN, **given), ends, second)
    whole = GPLM(**GIVEN, **given).fit(R_IX, R_IX_DATA, POINTS, in_sample_ix=second)
    assert_close(parts.predict(R_AX), whole.predict(R_AX), atol=1e-10 * UNIT)
    assert_close(parts.mu_X_, whole.mu_X_, rtol=1e-14)
    assert_close(parts.jacobian(R_AX), whole.jacobian(R_AX), atol=1e-9 * UNIT)
    if second is None:
        assert_close(parts.left_out(R_IX, R_IX_DATA), whole.left_out(R_IX, R_IX_DATA), atol=1e-9 * UNIT)


def test_bounds_of_parts_are_those_of_the_batch():
    """With no more rows than the sample holds, it holds them all."""
    parts = in_parts(GPLM(**GIVEN), [40, 90, 120])
    whole = GPLM(**GIVEN).fit(R_IX, R_IX_DATA, POINTS)
    for one, two in zip(parts.predict(R_AX, 0.9), whole.predict(R_AX, 0.9), strict=True):
        assert_close(one, two, atol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_what_the_first_call_chose_stays(offset):
    R_ix, R_iX = smooth(400)
    parts = GPLM(60).partial_fit(R_ix[:150], R_iX[:150] + offset)
    eps, sigma2, Z_mx, chosen = parts.eps_, parts.sigma2_, parts.Z_mx_, parts.press_
    parts.partial_fit(R_ix[150:], R_iX[150:] + offset)
    assert (parts.eps_, parts.sigma2_) == (eps, sigma2)
    assert parts.press_ is chosen
    assert_close(parts.Z_mx_, Z_mx)
    whole = GPLM(inducing="given", eps=eps, sigma2=sigma2).fit(R_ix, R_iX + offset, Z_mx)
    # The ridge chosen is so small that the batch itself moves by as much when its rows change places.
    assert_close(parts.predict(R_AX), whole.predict(R_AX), atol=1e-5)


def test_more_rows_are_decoded_better():
    R_ix, R_iX = smooth(800)
    noisy = R_iX + 0.3 * cloud(800, 4, seed=6)
    R_ax, R_aX = smooth(500, seed=1)
    gplm, errors = GPLM(60), []
    for rows in (slice(0, 100), slice(100, 300), slice(300, 800)):
        gplm.partial_fit(R_ix[rows], noisy[rows])
        errors.append(np.square(gplm.predict(R_ax) - R_aX).mean())
    assert errors[2] < 0.7 * errors[1]
    assert errors[1] < 0.7 * errors[0]


def test_flat_targets_and_single_rows():
    gplm = GPLM(**GIVEN).partial_fit(R_IX[:119], R_IX_DATA[:119, 0], POINTS)
    gplm.partial_fit(R_IX[119:], R_IX_DATA[119:, 0])
    whole = GPLM(**GIVEN).fit(R_IX, R_IX_DATA[:, 0], POINTS)
    assert_close(gplm.predict(R_AX), whole.predict(R_AX), atol=1e-10)
    with pytest.raises(ShapeError, match=r"^GPLM: y must have shape \(1,\)"):
        gplm.partial_fit(R_IX[119:], R_IX_DATA[119:])


def test_it_goes_on_after_fit_and_after_saving():
    first = GPLM(**GIVEN).fit(R_IX[:70], R_IX_DATA[:70], POINTS)
    saved, arrays = first.to_arrays()
    again = GPLM.from_arrays(json.loads(json.dumps(saved)), arrays)
    whole = GPLM(**GIVEN).fit(R_IX, R_IX_DATA, POINTS)
    for gplm in (first, again):
        gplm.partial_fit(R_IX[70:], R_IX_DATA[70:])
        assert_close(gplm.predict(R_AX), whole.predict(R_AX), atol=1e-10)


def test_fit_forgets_what_parts_taught():
    gplm = in_parts(GPLM(**GIVEN), [40, 120])
    fresh = GPLM(**GIVEN).fit(R_IX[:50], R_IX_DATA[:50], POINTS)
    assert_close(gplm.fit(R_IX[:50], R_IX_DATA[:50], POINTS).predict(R_AX), fresh.predict(R_AX))


def test_settings_changed_between_parts_wait_for_the_next_fit():
    gplm = in_parts(GPLM(**GIVEN), [40])
    gplm.set_params(eps=9.0, sigma2=1.0, center_X=False)
    gplm.partial_fit(R_IX[40:], R_IX_DATA[40:])
    assert_close(gplm.predict(R_AX), in_parts(GPLM(**GIVEN), [40, 120]).predict(R_AX), atol=1e-12)


def test_what_cannot_be_learnt_changes_nothing():
    gplm = in_parts(GPLM(**GIVEN), [60])
    before = gplm.predict(R_AX)
    wrong = [
        (R_IX[:5, :1], R_IX_DATA[:5], {}, ShapeError, "features"),
        (R_IX[:5], R_IX_DATA[:4], {}, ShapeError, "y must have shape"),
        (R_IX[:5], R_IX_DATA[:5, :2], {}, ShapeError, r"y must have shape \(5, 4\)"),
        (R_IX[:5], R_IX_DATA[:5], {"in_sample_ix": R_IX[:4]}, ShapeError, "in_sample_ix must have shape"),
        (R_IX[:5] * np.nan, R_IX_DATA[:5], {}, DataError, "finite"),
        (R_IX[:5], R_IX_DATA[:5], {"Z_mx": POINTS}, SettingError, "Z_mx must be given at the first call"),
    ]
    for latents, data, more, error, told in wrong:
        with pytest.raises(error, match=told):
            gplm.partial_fit(latents, data, **more)
    assert_close(gplm.predict(R_AX), before)
    gplm.fit_ = dataclasses.replace(gplm.fit_, equations=None)
    with pytest.raises(SettingError, match="sums over rows must be kept for partial_fit"):
        gplm.partial_fit(R_IX, R_IX_DATA)
