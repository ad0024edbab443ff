"""Latents laid into the plane, for pictures: by t-SNE, or by our own diffusion map."""

from collections.abc import Callable

from dima.errors import DataError, SettingError
from dima.manifold.dmap import DMAP
from dima.typing import Array, Float64

__all__ = ["METHODS", "to_plane"]

_FEWEST = 10


def to_plane(Z: Array, method: str = "tsne", seed: int = 0) -> Float64:
    """Points (n, 2) for standardised latents `Z` (n, d), near where the latents are near.

    Raises:
        SettingError: no method has this name.
        DataError: fewer than ten latents.
    """
    if method not in METHODS:
        raise SettingError(f"to_plane: method must be one of {', '.join(METHODS)}; got {method!r}.")
    if len(Z) < _FEWEST:
        raise DataError(f"to_plane: Z must hold at least {_FEWEST} latents; got {len(Z)}. Pass more.")
    return METHODS[method](Z, seed)


def _tsne(Z: Array, seed: int) -> Float64:
    # A second to import, and only this picture needs it.
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(Z) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(Z)


def _dmap(Z: Array, seed: int) -> Float64:
    return DMAP(d=2, seed=seed).fit(Z).embedding_


METHODS: dict[str, Callable[[Array, int], Float64]] = {"tsne": _tsne, "dmap": _dmap}
