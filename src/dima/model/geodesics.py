"""Geodesics of a manifold autoencoder: its decoder, and how unsure that is, as one surface over latents."""

import numpy as np

from dima.manifold.geodesic import Geodesic, Surface, shortest
from dima.manifold.jacobian import slope_blocks
from dima.model.latent_fit import LatentModelFit
from dima.model.loadings import slopes as slopes_of
from dima.typing import Float64

__all__ = ["geodesics"]

_NODES = 500  # training latents among which a first way is looked for
_DEAREST = 10.0  # factor on steps where nothing is known
_USUAL = 0.99  # share of training rows, each left out, where the decoder is surer than where steps cost more


def geodesics(fit: LatentModelFit, start: Float64, end: Float64, n: int) -> Geodesic:
    """Shortest paths of `n` latents from each of `start` (b, d) to each of `end` (b, d)."""
    known = fit.scale.apply(fit.autoencoder.training_codes(fit.autoencoder.training_rows())[1])
    some = np.random.default_rng(fit.settings["seed"]).permutation(len(known))[:_NODES]
    return shortest(_surface(fit), start, end, known[some], n)


def _surface(fit: LatentModelFit) -> Surface:
    """What latents decode to, and the factor on steps: about 1 where training rows are."""
    split, gplm = fit.autoencoder.d_diffusion_, fit.autoencoder.gplm.fit_
    gplm.known_sums("geodesics")
    usual = float(np.quantile(gplm.sampled()[1], _USUAL)) if split else 1.0

    def factors(Z: Float64) -> tuple[Float64, Float64]:
        factor, slopes = np.ones(len(Z)), np.zeros_like(Z)
        if split:  # principal components are as sure everywhere
            spread, inner = gplm.spread_slope(gplm.scale.apply(fit.scale.restore(Z)[:, :split]))
            doubt = spread / usual
            spared = 1 + (doubt / _DEAREST) ** 2
            factor = np.sqrt((1 + doubt**2) / spared)
            by_latent = inner * fit.scale.unit[:split] / gplm.scale.unit
            by_doubt = doubt * (1 - _DEAREST**-2) / spared**2 / factor
            slopes[:, :split] = by_latent * (by_doubt / usual)[:, None]
        return factor, slopes

    def pull(Z: Float64, v: Float64) -> Float64:
        pulled = np.empty_like(Z)
        for rows, J in slope_blocks(lambda part: slopes_of(fit, part), Z, v.shape[1]):
            pulled[rows] = np.einsum("bWd,bW->bd", J, v[rows])
        return pulled

    return Surface(fit.decode, pull, factors)
