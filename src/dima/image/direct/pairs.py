"""Pairs of noise and the image a teacher makes of it, in a folder that grows block by block.

Noise is a function of (seed, number), so that a folder holds images alone. They are bytes: a pixel of theirs
is a 255th of the range.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from dima.blocks import row_blocks
from dima.errors import ArtifactError, SettingError
from dima.files import replace_file
from dima.image import pixel
from dima.progress import track
from dima.typing import Array, Arrays, Float32

__all__ = ["Pairs", "make_pairs", "network_identity", "open_pairs"]

_OWNER = "pairs"
_BLOCK = 1000  # pairs of a file
_ABOUT = "pairs.json"


class _About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    n: int
    seed: int
    solver: str
    steps: int
    is_deterministic: bool
    teacher: str
    image_shape: tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs in a folder.

    Attributes:
        folder: where they are.
        n: number of pairs.
        seed: of their noise.
        solver: by which the teacher walked.
        steps: of the walk.
        is_deterministic: whether an image follows from its noise alone.
        teacher: which network made them, by `network_identity`.
        image_shape: (c, h, w).
    """

    folder: Path
    n: int
    seed: int
    solver: str
    steps: int
    is_deterministic: bool
    teacher: str
    image_shape: tuple[int, int, int]

    def noise(self, rows: slice) -> Tensor:
        """Noise (b, c, h, w) of those pairs."""
        return pixel.noise_of(self.seed, range(*rows.indices(self.n)), self.image_shape)

    def images(self) -> Float32:
        """All images (n, c, h, w) in [-1, 1].

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        blocks = [self._block(rows) for rows in row_blocks(self.n, _BLOCK)]
        return (np.concatenate(blocks).astype(np.float32) / 127.5) - 1

    def is_there(self, rows: slice) -> bool:
        """Whether the file of a block is written."""
        return self.place(rows).exists()

    def place(self, rows: slice) -> Path:
        """The file of a block."""
        return self.folder / f"images_{rows.start:08d}.npy"

    def _block(self, rows: slice) -> Array:
        place, wanted = self.place(rows), (rows.stop - rows.start, *self.image_shape)
        fix = "Make the pairs again: the same command fills in what is missing."
        try:
            block: Array = np.load(place, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise ArtifactError(f"{_OWNER}: {place} must hold images; got none. {fix}") from None
        if block.shape != wanted or block.dtype != np.uint8:
            got = f"{block.dtype} {block.shape}"
            raise ArtifactError(f"{_OWNER}: {place} must be uint8 {wanted}; got {got}. {fix}")
        return block


def make_pairs(
    walk: Callable[[Tensor, int], Tensor],
    about: Pairs,
    batch_size: int = 100,
) -> Pairs:
    """Make the pairs of a folder; blocks that are there already stay.

    Args:
        walk: noise (b, c, h, w) and the number of its first row -> images (b, c, h, w) in [-1, 1].
        about: what the pairs shall be.
        batch_size: pairs walked at a time.

    Raises:
        SettingError: the folder holds pairs of another teacher, solver, seed or number.
        ArtifactError: the folder holds something else, or the disk refused.
    """
    _claim(about)
    todo = [rows for rows in row_blocks(about.n, _BLOCK) if not about.is_there(rows)]
    for rows in track(todo, len(todo), f"pairs, {_BLOCK} a step"):
        made = [
            walk(about.noise(slice(rows.start + part.start, rows.start + part.stop)), rows.start + part.start)
            for part in row_blocks(rows.stop - rows.start, batch_size)
        ]
        levels = ((torch.cat(made).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        replace_file(about.place(rows), _npy(levels.cpu().numpy()), _OWNER, ArtifactError)
    return about


def open_pairs(folder: str | Path) -> Pairs:
    """The pairs of a folder.

    Raises:
        ArtifactError: there are none.
    """
    about = _read(Path(folder))
    if about is None:
        fix = "Make some with dima image make-pairs."
        raise ArtifactError(f"{_OWNER}: {folder} must hold pairs; got none. {fix}")
    return about


def network_identity(network: Arrays) -> str:
    """What tells one network from another: a hash of its parameters."""
    told = hashlib.sha256()
    for name in sorted(network):
        told.update(name.encode() + np.ascontiguousarray(network[name]).tobytes())
    return told.hexdigest()[:16]


def _claim(about: Pairs) -> None:
    """Mark the folder as holding these pairs, if it holds no others."""
    found = _read(about.folder)
    if found == about:
        return
    if found is not None:
        others = [name for name in vars(about) if getattr(found, name) != getattr(about, name)]
        want, got = (", ".join(f"{name} {getattr(of, name)}" for name in others) for of in (about, found))
        fix = "Choose another folder."
        raise SettingError(f"{_OWNER}: {about.folder} must be of {want}; got {got}. {fix}")
    about.folder.mkdir(parents=True, exist_ok=True)
    plain = {name: value for name, value in vars(about).items() if name != "folder"}
    replace_file(about.folder / _ABOUT, json.dumps(plain, indent=1).encode(), _OWNER, ArtifactError)


def _read(folder: Path) -> Pairs | None:
    place = folder / _ABOUT
    if not place.exists():
        return None
    try:
        found = msgspec.json.decode(place.read_bytes(), type=_About)
    except (OSError, msgspec.DecodeError) as fault:
        fix = "Choose another folder."
        raise ArtifactError(f"{_OWNER}: {place} must describe pairs; got {fault}. {fix}") from None
    return Pairs(folder, **{name: getattr(found, name) for name in found.__struct_fields__})


def _npy(array: Array) -> Callable[..., None]:
    return lambda stream: np.save(stream, array, allow_pickle=False)
