"""Verbs of images: `dima image fit-autoencoder`, `fit-latent`, `sample`, `map` and `evaluate`."""
