"""Checkpoints of others as autoencoders of ours: converted once, kept under the digest of their bytes."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dima import fitted, settings
from dima.errors import ArtifactError
from dima.files import make_folder, read_plain_file
from dima.image.autoencoder import AutoencoderFit
from dima.image.autoencoder.checkpoint import MOST_BYTES
from dima.image.autoencoder.foreign import IMAGE_SHAPE, read
from dima.model.image_autoencoder import ImageAutoencoder
from dima.model.persist import load, save

__all__ = ["SUFFIXES", "convert", "converted"]

SUFFIXES = (".pt", ".pth")


def convert(
    path: str | Path, *, output: str | None = None, pixel_range: Sequence[float] | None = None
) -> ImageAutoencoder:
    """The autoencoder in a torch checkpoint of 28x28 grey images, read in a child process with limits.

    The checkpoint is a dictionary of `args`, with "mlp" or "conv" as its `model`, and a state dict of the
    published shapes under "model", "state_dict", "model_state_dict" or "model_state": linear layers
    784-512-256-128-d and back, or three 3x3 convolutions of stride 2, a linear layer to d, one back, and
    three 3x3 convolutions after nearest interpolation 4-7-14-28; ReLU between all layers.

    Args:
        path: a .pt or .pth file.
        output: "sigmoid", "tanh" or "linear"; if None what args.output or args.activation say, else sigmoid.
        pixel_range: (0, 1) or (-1, 1), of the pixels the network takes; if None what args.pixel_range says,
            else (-1, 1) with tanh and (0, 1) without.

    Raises:
        ArtifactError: it is no such checkpoint, or damaged, or asks for code; nothing in it is ever run.
    """
    return _from_bytes(_bytes(path), path, output, pixel_range)


def converted(
    path: str | Path,
    cache_dir: str | Path,
    *,
    output: str | None = None,
    pixel_range: Sequence[float] | None = None,
) -> Path:
    """The saved model of a checkpoint, for `dima.load`: converted when first asked for, then found.

    It stands in `cache_dir`, which is made if it is not there, under the SHA-256 of the checkpoint; one
    that is damaged is made again. Arguments and errors are those of `convert`.
    """
    data = _bytes(path)
    place = Path(cache_dir) / _cache_name(data, output, pixel_range)
    if not _opens(place):
        autoencoder = _from_bytes(data, path, output, pixel_range)
        make_folder(place.parent, "convert", ArtifactError)
        save(autoencoder, place)
    return place


def _from_bytes(
    data: bytes, path: str | Path, output: str | None, pixel_range: Sequence[float] | None
) -> ImageAutoencoder:
    foreign = read(data, Path(path).name, output, pixel_range)
    fresh = ImageAutoencoder(foreign.model, latent_dim=foreign.latent_dim)
    used = settings.check("convert", ImageAutoencoder, fresh.get_params(deep=False))
    no_losses = np.zeros((0, 2))
    fit = AutoencoderFit(used, IMAGE_SHAPE, foreign.network, no_losses, foreign.pixels)
    plain, arrays = fitted.to_arrays(fit)
    n_features = int(np.prod(IMAGE_SHAPE))
    return ImageAutoencoder.from_arrays({"fit": plain, "n_features": n_features, "columns": None}, arrays)


def _bytes(path: str | Path) -> bytes:
    place = Path(path)
    if place.suffix.lower() not in SUFFIXES:
        rule, fix = f"a {' or '.join(SUFFIXES)} file", "Saved models of dima open with dima.load."
        raise ArtifactError(f"convert: {place.name} must be {rule}; got {place.suffix!r}. {fix}")
    return read_plain_file(place.resolve(), MOST_BYTES, f"convert: {place.name}", ArtifactError)


def _cache_name(data: bytes, output: str | None, pixel_range: Sequence[float] | None) -> str:
    """The digest, and what was asked for beside it: another output makes another autoencoder."""
    asked = [output, None if pixel_range is None else [float(bound) for bound in pixel_range]]
    digest = hashlib.sha256(data).hexdigest()
    return (
        digest
        if asked == [None, None]
        else f"{digest}-{hashlib.sha256(repr(asked).encode()).hexdigest()[:8]}"
    )


def _opens(place: Path) -> bool:
    if not place.exists():
        return False
    try:
        return isinstance(load(place), ImageAutoencoder)
    except ArtifactError:
        return False
