"""Folders of .png and .jpg pictures of one size, flat or one folder a class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dima.errors import BackendError, DataError, DimaError
from dima.typing import Array

__all__ = ["class_names", "read_folder"]

_SUFFIXES = (".png", ".jpg", ".jpeg")
_GREY = ("1", "L", "LA", "La")  # pillow's names of them; of 16 bits "I;16", "I;16B" ...
_WIDE = ("I", "F")  # 32 bits, of which nothing says what is black and what white
_STEP = 257  # from one of 256 greys to the next, in 16 bits


def class_names(folder: Path) -> list[str]:
    """Names of the folders of pictures in a folder, numbers by size.

    Raises:
        DataError: there are pictures beside the folders, which have no class.
    """
    found = sorted(path.name for path in folder.iterdir() if path.is_dir() and _pictures(path))
    loose = _pictures(folder)
    if found and loose:
        rule, fix = "hold pictures, or folders of pictures", "Move them into a folder, or out."
        raise DataError(f"images: {folder} must {rule}; got both, {loose[0].name} among them. {fix}")
    return sorted(found, key=int) if _are_numbers(found) else found


def read_folder(
    folder: Path, known: Sequence[str] = ()
) -> tuple[Array, Array | None, tuple[str, ...] | None]:
    """Images (n, h, w) or (n, h, w, 3) uint8 by name; of pictures in folders, labels and classes too.

    Where all classes are called by numbers these are the labels, and classes have no names.

    Args:
        folder: of pictures, or of folders of pictures, one a class.
        known: names of all classes, where other folders have further ones.

    Raises:
        DataError: there is no picture, one cannot be read, is transparent or of 32 bits, or they differ in
            size or channels.
        BackendError: pillow is not installed.
    """
    classes = class_names(folder)
    files = [path for name in classes or [""] for path in _pictures(folder / name)]
    if not files:
        raise DataError(f"images: {folder} must hold {', '.join(_SUFFIXES)} pictures; got none.")
    images = [_read(path) for path in files]
    for path, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            fix = "Bring all pictures to one size and one number of channels."
            got = f"{image.shape} beside {images[0].shape}"
            raise DataError(f"images: {path} must have the shape of the first picture; got {got}. {fix}")
    if not classes:
        return np.stack(images), None, None
    names = known or classes
    if _are_numbers(names):
        return np.stack(images), np.array([int(path.parent.name) for path in files]), None
    labels = np.array([names.index(path.parent.name) for path in files])
    return np.stack(images), labels, tuple(names)


def _are_numbers(names: Sequence[str]) -> bool:
    return all(name.isascii() and name.isdigit() for name in names)


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)


def _read(path: Path) -> Array:
    try:
        from PIL import Image, UnidentifiedImageError  # an extra
    except ImportError:
        fix = 'Run: pip install "dima-manifold[image]"'
        raise BackendError(f"images: {path} must be read with pillow; got no pillow. {fix}") from None
    try:
        with Image.open(path) as picture:
            return _pixels(path, picture)
    except DimaError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        got = "no known format" if isinstance(fault, UnidentifiedImageError) else fault
        fix = "Save it again, or take it out of the folder."
        raise DataError(f"images: {path} must be a readable picture; got {got}. {fix}") from None


def _pixels(path: Path, picture: Any) -> Array:
    """(h, w) or (h, w, 3) uint8 of an open picture."""
    if picture.mode in _WIDE:
        got, fix = "32 bits", "Save it with 8 bits, or all of them as an .npy file of numbers in [-1, 1]."
        raise DataError(f"images: {path} must have 8 or 16 bits a channel; got {got}. {fix}")
    if picture.has_transparency_data and _is_see_through(picture):
        fix = "Lay it on a background and save it without transparency."
        raise DataError(f"images: {path} must be opaque; got transparent pixels. {fix}")
    picture.info.pop("transparency", None)  # of no pixel; pillow would warn of it
    if picture.mode.startswith("I;16"):
        return ((np.asarray(picture).astype(np.uint32) + _STEP // 2) // _STEP).astype(np.uint8)
    return np.asarray(picture.convert("L" if picture.mode in _GREY else "RGB"))


def _is_see_through(picture: Any) -> bool:
    """Whether a pixel of a picture with transparency is not opaque."""
    if picture.mode.startswith("I;16"):  # one grey that is clear, which pillow forgets when it converts
        return bool((np.asarray(picture) == picture.info["transparency"]).any())
    return bool(picture.convert("RGBA").getchannel("A").getextrema()[0] < 255)
