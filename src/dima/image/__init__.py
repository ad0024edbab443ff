"""The image engine: networks and samplers of pixels (PyTorch)."""

from dima.image.diffusion_model import DiffusionModel
from dima.image.direct import DirectDecoder, DirectDiffusion, DirectEncoder
from dima.image.simple_autoencoder import SimpleAutoencoder

__all__ = ["DiffusionModel", "DirectDecoder", "DirectDiffusion", "DirectEncoder", "SimpleAutoencoder"]
