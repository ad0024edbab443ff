"""Autoencoders of small images: two networks by name, one way to train them, NumPy in and out."""

from dima.image.autoencoder.coder import NETWORKS, SUITED
from dima.image.autoencoder.fit import LOSSES, AutoencoderFit, fit_autoencoder

__all__ = ["LOSSES", "NETWORKS", "SUITED", "AutoencoderFit", "fit_autoencoder"]
