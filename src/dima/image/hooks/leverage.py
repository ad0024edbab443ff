"""Leverage: how far the output follows when the features of a site are swapped for those of a donor.

    way = f(donor) - f(x)
    leverage = mean over samples of <f(x with the donor's features) - f(x), way> / |way|^2

Features of others at a site with little leverage hardly move an output toward theirs. What moves across that
way counts for nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from dima.blocks import row_blocks
from dima.errors import DataError, NumericsError, SettingError, ShapeError
from dima.image import pixel
from dima.image.hooks.ready import Swap
from dima.image.hooks.tape import Context, Hook, Hooked, hooked
from dima.progress import track

__all__ = ["SKIPS", "leverage", "sites_of", "with_donors"]

_OWNER = "leverage"
SKIPS = "skips"  # name of all skips together
_AND = " + "  # between sites that are swapped together
_ROUNDING = 1e-5  # share of the outputs' length below which a way is rounding
_NAMED = 5  # samples that a message names

Function = Callable[[Tensor], Tensor]


@torch.no_grad()
def leverage(  # noqa: PLR0913 what is measured, and how
    network: Hooked,
    noise: Tensor,
    donors: Tensor,
    sites: str | Sequence[str] | None = None,
    *,
    make: Function | None = None,
    see: Function | None = None,
    batch_size: int = 64,
) -> dict[str, float]:
    """How far the output follows the features of each site: 0 not at all, 1 all the way to the donor's.

    Below 0 it moves away from the donor's output, above 1 beyond it. Each donor's features are taken from
    all passes of the network, and given to the same passes.

    Args:
        network: with the sites, such as a `DirectDiffusion`, or the `unet` of a model of many steps.
        noise: (n, ...) what samples are made of.
        donors: (n, ...) a donor for each, of the same shape.
        sites: a name or several; "skips" are all skips, and "mid + skips" both at once. If not given, every
            site, all skips, and the bottleneck with them, which is all that the way up sees.
        make: noise (b, ...) -> output (b, ...), always the same for the same noise; the network itself
            if not given.
        see: output (b, ...) -> features (b, k) in which the way is measured; pixels if not given.
        batch_size: samples at a time. What is kept is a sample's features at all sites in all passes.

    Raises:
        ShapeError: donors are not of the shape of the noise, or outputs not as many.
        DataError: there is no sample, one is NaN or inf, a site is never passed, or a sample's output is that
            of its donor, so that there is no way to follow.
        SettingError: there is no such site, or batch_size is below 1.
        NumericsError: an output is not finite.

    Example:
        >>> from dima.image import DiffusionModel
        >>> from dima.image.direct import DirectDiffusion
        >>> model = DirectDiffusion(DiffusionModel(widths=[4, 8], latent_dim=0))
        >>> _ = torch.nn.init.normal_(model.decoder.leave.weight)  # untrained, it would answer zero
        >>> noise, donors = torch.randn(2, 4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
        >>> found = leverage(model, noise, donors, ["mid", "mid + skips"])
        >>> found["mid + skips"] > 0.9
        True
    """
    _check(noise, donors, batch_size)
    given = [sites] if isinstance(sites, str) else sites
    asked = _all_of(network.sites) if given is None else given
    members = {name: sites_of(name, network.sites) for name in asked}
    made_by: Any = make or network
    shares: dict[str, list[Tensor]] = {name: [] for name in members}
    blocks = list(row_blocks(len(noise), batch_size))
    for rows in track(blocks, len(blocks), _OWNER):
        watched = _watched(made_by, see, rows)
        for name, share in _shares(network, noise[rows], donors[rows], members, watched, rows):
            shares[name].append(share)
    return {name: float(torch.cat(share).mean()) for name, share in shares.items()}


def with_donors(network: Any, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noise (n, c, h, w) of images of a network, and of a donor for each, as the seed draws it."""
    draws = pixel.noise_of(seed, range(2 * n), network.image_shape).to(network.pixel_mean)
    return draws[:n], draws[n:]


def sites_of(name: str, sites: Sequence[str], owner: str = _OWNER) -> list[str]:
    """The sites that a name such as "mid + skips" stands for, among those of a network; `owner` asks.

    Raises:
        SettingError: there is no such site.

    Example:
        >>> sites_of("mid + skips", ["down.0", "skip.0", "skip.1", "mid", "up.0"])
        ['mid', 'skip.0', 'skip.1']
    """
    skips = _skips(sites)
    known = [*sites, *([SKIPS] if skips else [])]
    parts = name.split(_AND)
    for part in parts:
        if part not in known:
            rule = f"one of {', '.join(known)}, or several with{_AND}between"
            raise SettingError(f"{owner}: a site must be {rule}; got {part!r}.")
    return list(dict.fromkeys(site for part in parts for site in (skips if part == SKIPS else [part])))


def _skips(sites: Sequence[str]) -> list[str]:
    return [site for site in sites if site.startswith("skip.")]


def _all_of(sites: Sequence[str]) -> list[str]:
    if not _skips(sites):
        return list(sites)
    return [*sites, SKIPS, *([f"mid{_AND}{SKIPS}"] if "mid" in sites else [])]


def _shares(
    network: Hooked,
    noise: Tensor,
    donors: Tensor,
    members: dict[str, list[str]],
    watched: Function,
    rows: slice,
) -> Iterator[tuple[str, Tensor]]:
    """(name, share (b,) of the way that is gone) for each group of sites."""
    record = list(dict.fromkeys(site for group in members.values() for site in group))
    with hooked(network, {}, record) as tape:
        theirs = watched(donors)
    own = watched(noise)
    way = theirs - own
    length = way.norm(dim=1)
    still = (length <= _ROUNDING * (own.norm(dim=1) + theirs.norm(dim=1))).nonzero().flatten() + rows.start
    if len(still):
        got = ", ".join(str(int(i)) for i in still[:_NAMED]) + (", ..." if len(still) > _NAMED else "")
        rule, fix = "lead to another output than their sample", "Choose others for these."
        raise DataError(f"{_OWNER}: donors must {rule}; got the same for samples {got}. {fix}")
    for name, group in members.items():
        with hooked(network, {site: _swap(site, tape.seen[site]) for site in group}):
            moved = watched(noise) - own
        yield name, (moved * way).sum(1) / length.square()


def _swap(site: str, seen: Sequence[Tensor]) -> Hook:
    """A hook that gives the passes of a walk what was seen at a site in those of another."""
    if not seen:
        fix = "Let make run the network whose sites they are."
        raise DataError(f"{_OWNER}: the output must pass every site; got one that misses {site!r}. {fix}")
    passes = iter(seen)

    def swap(features: Tensor, context: Context) -> Tensor:
        donor = next(passes, None)
        if donor is None:
            rule = f"as often for a sample as for its donor, {len(seen)} times"
            raise DataError(f"{_OWNER}: make must pass {site!r} {rule}; got more.")
        # No context: what was seen in a pass is of the rows of that pass alone.
        return Swap(donor)(features)

    return swap


def _watched(make: Function, see: Function | None, rows: slice) -> Function:
    """Noise (b, ...) -> what is seen of its output, as finite rows (b, k) in float64 on the CPU."""

    def watched(noise: Tensor) -> Tensor:
        made = make(noise)
        seen = made if see is None else see(made)
        if seen.ndim < 2 or len(seen) != len(noise):
            rule, got = f"{len(noise)} rows, one a sample", tuple(seen.shape)
            raise ShapeError(f"{_OWNER}: outputs must be {rule}; got shape {got}.")
        if not seen.isfinite().all():
            at = f"samples {rows.start} to {rows.stop - 1}"
            raise NumericsError(f"{_OWNER}: outputs must be finite; got NaN or inf among {at}.")
        return seen.flatten(1).cpu().double()

    return watched


def _check(noise: Tensor, donors: Tensor, batch_size: int) -> None:
    if noise.shape != donors.shape or noise.ndim < 2:
        rule, got = f"of the shape of the noise, {tuple(noise.shape)}", tuple(donors.shape)
        raise ShapeError(f"{_OWNER}: donors must be rows {rule}; got {got}.")
    if not len(noise):
        raise DataError(f"{_OWNER}: noise must hold at least one sample; got none.")
    if not (noise.isfinite().all() and donors.isfinite().all()):
        raise DataError(f"{_OWNER}: noise and donors must be finite; got NaN or inf.")
    if batch_size < 1:
        raise SettingError(f"{_OWNER}: batch_size must be at least 1; got {batch_size}.")
