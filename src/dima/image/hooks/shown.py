"""Images under hooks, as arrays: of one set of hooks, and on the way from some features to others."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dima.image.hooks.leverage import sites_of
from dima.image.hooks.ready import Toward
from dima.image.hooks.tape import Hook, Hooked, hooked
from dima.typing import Float32

__all__ = ["Maker", "images", "ways"]


class Maker(Hooked, Protocol):
    """A network with sites that makes images (b, c, h, w) of noise (b, c, h, w) in one call."""

    def __call__(self, noise: Tensor) -> Tensor:
        """Images of noise."""


@torch.no_grad()
def images(network: Maker, noise: Tensor, hooks: Mapping[str, Hook]) -> Float32:
    """Images (b, c, h, w) of noise (b, c, h, w), with hooks at sites.

    Raises:
        SettingError: there is no such site, or a hook cannot be called.
    """
    with hooked(network, hooks):
        made: Float32 = network(noise).cpu().numpy()
    return made


def ways(
    network: Maker, noise: Tensor, donors: Tensor, groups: Sequence[str], strengths: Sequence[float]
) -> dict[str, Float32]:
    """Images (s, c, h, w) on the way to donors, by sample and by the sites whose features go there.

    Args:
        network: that runs once a call.
        noise: (b, c, h, w) where the ways begin.
        donors: (b, c, h, w) noise of the features to which they lead.
        groups: names of sites, such as "mid + skips".
        strengths: shares of the way, s of them.

    Returns:
        "1: mid" and so on -> images, samples one after another.

    Raises:
        SettingError: there is no such site, or a strength is outside [0, 1].
    """
    members = {group: sites_of(group, network.sites, "ways") for group in groups}
    record = list(dict.fromkeys(site for group in members.values() for site in group))
    with torch.no_grad(), hooked(network, {}, record) as tape:
        network(donors)

    def moved(group: str, share: float) -> Float32:
        return images(network, noise, {site: Toward(tape.seen[site][0], share) for site in members[group]})

    made = {group: np.stack([moved(group, share) for share in strengths], 1) for group in groups}
    return {f"{i + 1}: {group}": made[group][i] for i in range(len(noise)) for group in groups}
