"""A network of images with its codes normalised, whichever network it is.

Codes pass a batch normalisation without affine part and, while training, a little noise: close codes then
decode alike, which is what a prior over them needs. Pixels are the sigmoid of the decoder's logits, but for
networks of others (`PIXELS`).
"""

from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from typing import Any

import torch
from torch import Tensor, nn

from dima.image.autoencoder.conv import Conv
from dima.image.autoencoder.mlp import MLP
from dima.image.train import from_named
from dima.typing import Arrays

__all__ = ["NETWORKS", "OWN_PIXELS", "PIXELS", "SUITED", "Coder"]

NETWORKS: dict[str, Callable[..., Any]] = {"mlp": MLP, "conv": Conv}
# What suits their training: on MNIST mlp is worse after long training with smaller batches, conv better.
SUITED = {
    "mlp": {"batch_size": 256, "learning_rate": 2e-3},
    "conv": {"batch_size": 128, "learning_rate": 4e-3},
}
# (images in [-1, 1] to what a network takes, what it gives to images in [-1, 1]). A "signed" one takes
# pixels in [-1, 1], the others in [0, 1]; those of others may be of any kind, ours are OWN_PIXELS.
PIXELS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "signed-sigmoid": (lambda x: x, lambda y: 2 * y.sigmoid() - 1),
    "sigmoid": (lambda x: (x + 1) / 2, lambda y: 2 * y.sigmoid() - 1),
    "signed-tanh": (lambda x: x, lambda y: y.tanh()),
    "signed-linear": (lambda x: x, lambda y: y.clamp(-1, 1)),
    "linear": (lambda x: (x + 1) / 2, lambda y: (2 * y - 1).clamp(-1, 1)),
}
OWN_PIXELS = "signed-sigmoid"
_MOMENTUM = 0.01  # of the running mean and variance of codes


class Coder(nn.Module):
    """A network of `NETWORKS` with its codes normalised.

    Args:
        model: its name.
        shape: (c, h, w) of an image.
        latent_dim: numbers in a code.
        pixels: its convention of pixels, a name of `PIXELS`.
        widths: channels of its convolutions, where they are not the usual ones.
    """

    def __init__(
        self,
        model: str,
        shape: tuple[int, int, int],
        latent_dim: int,
        pixels: str = OWN_PIXELS,
        widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.network = NETWORKS[model](shape, latent_dim, *([] if widths is None else [widths]))
        self.pixels = pixels
        self.norm = nn.BatchNorm1d(latent_dim, affine=False, momentum=_MOMENTUM)

    @classmethod
    def of(
        cls,
        network: Arrays,
        model: str,
        shape: tuple[int, int, int],
        latent_dim: int,
        pixels: str = OWN_PIXELS,
    ) -> "Coder":
        """The coder that has those parameters, by name; they tell the channels of its convolutions.

        Raises:
            ArtifactError: they are those of another.
        """
        kernels = sorted(name for name in network if fnmatch(name, "network.down.*.weight"))
        widths = [len(network[name]) for name in kernels] if model == "conv" else None
        with torch.device("meta"):  # no parameters are drawn that are replaced
            coder = cls(model, shape, latent_dim, pixels, widths or None)
        from_named(coder, network, assign=True)
        return coder

    def encode(self, images: Tensor) -> Tensor:
        """Codes (b, d) of images (b, c, h, w) in [-1, 1]."""
        to_input, _ = PIXELS[self.pixels]
        codes: Tensor = self.norm(self.network.encode(to_input(images)))
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Images (b, c, h, w) in [-1, 1] of codes (b, d)."""
        _, to_pixels = PIXELS[self.pixels]
        return to_pixels(self.network.decode(codes))
