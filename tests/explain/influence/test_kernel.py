"""Held to decoders that were really fitted again without each example."""

import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError, NotFittedError, NumericsError, ShapeError
from dima.explain.influence.kernel import kernel_influence
from dima.manifold.gplm import GPLM

RANDOM = np.random.default_rng(0)
R_IX, R_AX = RANDOM.standard_normal((40, 2)) + 5.0, RANDOM.standard_normal((6, 2)) + 5.0


def data(latents):
    x, y = (latents - 5.0).T
    noise = 0.3 * np.random.default_rng(len(latents)).standard_normal((len(latents), 3))
    return np.column_stack([np.sin(2 * x), x * y, y]) + noise + 10.0


R_IX_DATA, R_AX_DATA = data(R_IX), data(R_AX)
TWIN = R_IX + 0.2 * RANDOM.standard_normal(R_IX.shape)


def refitted(decoder, kept, twin=None, latents=R_IX, queries=R_AX):
    """Squared errors (q,) of a decoder fitted to the kept rows by the public door."""
    fixed = {"inducing": "given", "eps": decoder.eps_, "sigma2": decoder.sigma2_}
    again = GPLM(**fixed, center_X=decoder.center_X)
    own = None if twin is None else twin[kept]
    again.fit(latents[kept], R_IX_DATA[kept], decoder.Z_mx_ if latents is R_IX else decoder.fit_.z_mx, own)
    return ((again.predict(queries) - R_AX_DATA) ** 2).sum(axis=1)


def refits(decoder, **changes):
    everyone = np.arange(len(R_IX))
    full = refitted(decoder, everyone, **changes)
    return np.stack([refitted(decoder, everyone != i, **changes) - full for i in everyone], axis=1)


@pytest.mark.parametrize("center_X", [True, False])
@pytest.mark.parametrize("twin", [None, TWIN], ids=["one set of latents", "two"])
@pytest.mark.parametrize("sigma2", [0.3, 1e-3])
def test_scores_are_those_of_fitting_again(center_X, twin, sigma2):
    decoder = GPLM(12, sigma2=sigma2, eps=2.0, center_X=center_X).fit(R_IX, R_IX_DATA, in_sample_ix=twin)
    found = kernel_influence(decoder, R_IX, R_IX_DATA, R_AX, R_AX_DATA, in_sample_ix=twin)
    wanted = refits(decoder, twin=twin)
    assert_close(found, wanted, atol=1e-6 * np.abs(wanted).max())


def test_whitened_latents_keep_their_scale():
    stretched = R_IX * [1.0, 30.0]
    decoder = GPLM(12, sigma2=0.1, eps=1.0, whiten_latent=True).fit(stretched, R_IX_DATA)
    apply = decoder.fit_.scale.apply
    found = kernel_influence(decoder, stretched, R_IX_DATA, R_AX * [1.0, 30.0], R_AX_DATA)
    wanted = refits(decoder, latents=apply(stretched), queries=apply(R_AX * [1.0, 30.0]))
    assert_close(found, wanted, atol=1e-6 * np.abs(wanted).max())


def test_settings_that_were_searched_are_kept_and_blocks_change_nothing(monkeypatch):
    decoder = GPLM().fit(R_IX, R_IX_DATA)
    monkeypatch.setattr("dima.explain.influence.kernel.rows_within", lambda _: 7)
    found = kernel_influence(decoder, R_IX, R_IX_DATA, R_AX, R_AX_DATA)
    wanted = refits(decoder)
    assert_close(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_leaving_out_the_query_itself_raises_its_error():
    decoder = GPLM(12, sigma2=0.1, eps=2.0).fit(R_IX, R_IX_DATA)
    own = kernel_influence(decoder, R_IX, R_IX_DATA, R_IX, R_IX_DATA).diagonal()
    assert (own > 0).all()


def test_one_column_of_targets():
    y, y_ax = R_IX_DATA[:, 0], R_AX_DATA[:, 0]
    flat = GPLM(12, sigma2=0.1, eps=2.0).fit(R_IX, y)
    column = GPLM(12, sigma2=0.1, eps=2.0).fit(R_IX, y[:, None])
    wanted = kernel_influence(column, R_IX, y[:, None], R_AX, y_ax[:, None])
    assert_close(kernel_influence(flat, R_IX, y, R_AX, y_ax), wanted, atol=1e-12)


def test_refusals():
    decoder = GPLM(12, sigma2=0.1, eps=2.0).fit(R_IX, R_IX_DATA)
    given = (R_IX, R_IX_DATA, R_AX, R_AX_DATA)
    with pytest.raises(NotFittedError):
        kernel_influence(GPLM(), *given)
    for at in range(4):
        short = [values[:-1] if i == at else values for i, values in enumerate(given)]
        with pytest.raises(ShapeError, match="y"):
            kernel_influence(decoder, *short)
    with pytest.raises(ShapeError, match="in_sample_ix"):
        kernel_influence(decoder, *given, in_sample_ix=TWIN[1:])
    with pytest.raises(DataError, match="those the decoder was fitted to"):
        kernel_influence(decoder, R_IX[::-1], R_IX_DATA, R_AX, R_AX_DATA)
    with pytest.raises(DataError, match="those the decoder was fitted to"):
        kernel_influence(decoder, *given, in_sample_ix=TWIN)
    with pytest.raises(DataError, match="y must be finite"):
        kernel_influence(decoder, R_IX, R_IX_DATA * np.nan, R_AX, R_AX_DATA)


def test_an_example_that_stands_alone_is_not_guessed_about():
    lone = np.vstack([R_IX, [[80.0, 80.0]]])
    y = np.vstack([R_IX_DATA, [[1.0, 2.0, 3.0]]])
    decoder = GPLM(inducing="given", sigma2=0.0, eps=2.0).fit(lone, y, np.vstack([R_IX[:8], lone[-1:]]))
    with pytest.raises(NumericsError, match="row 40"):
        kernel_influence(decoder, lone, y, R_AX, R_AX_DATA)
