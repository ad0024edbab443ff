"""`SimpleAutoencoder`: images to feature vectors and back, torch in and out."""

from pathlib import Path

from torch import Tensor, nn

from dima.errors import SettingError
from dima.image import checked
from dima.image.autoencoder.coder import OWN_PIXELS, Coder
from dima.image.saved import network_at, save_network
from dima.image.train import named

__all__ = ["SimpleAutoencoder"]

_KIND = "image-autoencoder"


class SimpleAutoencoder(nn.Module):
    """The convolutional autoencoder of `dima image fit-autoencoder --model conv`, as a torch module.

    Args:
        latent_dim: numbers in a feature vector.
        image_shape: (c, h, w).

    Example:
        >>> import torch
        >>> autoencoder = SimpleAutoencoder(latent_dim=8)
        >>> autoencoder.decode(autoencoder.encode(torch.zeros(2, 1, 28, 28))).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(self, latent_dim: int = 256, image_shape: tuple[int, int, int] = (1, 28, 28)) -> None:
        super().__init__()
        if latent_dim < 1:
            fix = "Pass how many numbers a feature vector has."
            raise SettingError(f"SimpleAutoencoder: latent_dim must be positive; got {latent_dim}. {fix}")
        self.latent_dim, self.image_shape = latent_dim, image_shape
        self.coder = Coder("conv", image_shape, latent_dim)
        self.eval()

    @property
    def _like(self) -> Tensor:
        """A tensor on its device, of its precision."""
        return next(self.coder.parameters())

    def encode(self, images: Tensor) -> Tensor:
        """Feature vectors (b, latent_dim) of images (b, c, h, w) in [-1, 1].

        Raises:
            ShapeError: images of another size or number of channels.
            DataError: a pixel lies outside [-1, 1].
        """
        given = checked.images("SimpleAutoencoder.encode", images, self.image_shape)
        return self.coder.encode(given.to(self._like))

    def decode(self, latent: Tensor) -> Tensor:
        """Images (b, c, h, w) in [-1, 1] of feature vectors (b, latent_dim).

        Raises:
            ShapeError: vectors of another width.
        """
        owner = "SimpleAutoencoder.decode"
        given = checked.latents(owner, latent, None, self.latent_dim)
        return self.coder.decode(given.to(self._like))

    def save_checkpoint(self, path: str | Path) -> Path:
        """Write it as a folder that `load_checkpoint` and `dima.load` open."""
        used = {"model": "conv", "latent_dim": self.latent_dim}
        return save_network(path, _KIND, used, self.image_shape, named(self.coder))

    def load_checkpoint(self, path: str | Path) -> "SimpleAutoencoder":
        """Take over the parameters of a saved convolutional autoencoder, and its channels.

        Raises:
            ArtifactError: there is none.
            SettingError: it is of another size.
        """
        wanted = {"model": "conv", "latent_dim": self.latent_dim, "image_shape": list(self.image_shape)}
        wanted |= {"pixels": OWN_PIXELS}
        network = network_at("SimpleAutoencoder", path, _KIND, wanted)
        coder = Coder.of(network, "conv", self.image_shape, self.latent_dim).to(self._like).eval()
        shapes, own = ([p.shape for p in each.parameters()] for each in (coder, self.coder))
        if shapes == own:  # where an optimiser may hold them
            self.coder.load_state_dict(coder.state_dict())
        else:
            self.coder = coder
        return self
