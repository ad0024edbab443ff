"""Pairs of noise and the image a teacher makes of it, in a folder that grows block by block.

Noise is a function of (seed, number), so that a folder holds images alone. They are bytes: a pixel of theirs
is a 255th of the range.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from dima.blocks import row_blocks
from dima.errors import ArtifactError, SettingError
from dima.files import make_folder, replace_file
from dima.image import pixel
from dima.image.denoiser import Denoiser
from dima.noise.solver import SolverTable
from dima.progress import track
from dima.settings import must_match
from dima.typing import Array, Arrays, Float32

__all__ = ["NOISE_ROW", "Pairs", "PairsPlan", "make_pairs", "network_identity", "open_pairs", "walker"]

# No sample starts from this draw, and no walk adds it: what is drawn later was never learnt from.
NOISE_ROW = -1

_OWNER = "pairs"
_BLOCK = 1000  # pairs of a file
_PLAN = "pairs.json"


class PairsPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What pairs are.

    Attributes:
        n: number of pairs.
        seed: of their noise.
        solver: by which the teacher walks.
        steps: of the walk.
        is_deterministic: whether an image follows from its noise alone.
        teacher: which network makes them, by `network_identity`.
        image_shape: (c, h, w).
        noise_row: which draw of a number their noise is: one of their own, or, in folders of older
            versions, that from which samples of the same seed start.
    """

    n: int
    seed: int
    solver: str
    steps: int
    is_deterministic: bool
    teacher: str
    image_shape: tuple[int, int, int]
    noise_row: int = 0


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs in a folder.

    Attributes:
        folder: where they are.
        plan: what they are.
    """

    folder: Path
    plan: PairsPlan

    def noise(self, rows: slice) -> Tensor:
        """Noise (b, c, h, w) of those pairs."""
        plan = self.plan
        return pixel.noise_of(plan.seed, range(*rows.indices(plan.n)), plan.image_shape, plan.noise_row)

    def images(self) -> Float32:
        """All images (n, c, h, w) in [-1, 1].

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        blocks = [self._block(rows) for rows in row_blocks(self.plan.n, _BLOCK)]
        return (np.concatenate(blocks).astype(np.float32) / 127.5) - 1

    def is_there(self, rows: slice) -> bool:
        """Whether the file of a block is written, and can be read."""
        try:
            self._block(rows)
        except ArtifactError:
            return False
        return True

    def place(self, rows: slice) -> Path:
        """The file of a block."""
        return self.folder / f"images_{rows.start:08d}.npy"

    def _block(self, rows: slice) -> Array:
        place, wanted = self.place(rows), (rows.stop - rows.start, *self.plan.image_shape)
        fix = "Make the pairs again: the same command fills in what is missing."
        try:
            with place.open("rb") as stream:
                block: Array = np.lib.format.read_array(stream, allow_pickle=False)
        except (OSError, ValueError, EOFError) as fault:
            got = "none" if isinstance(fault, FileNotFoundError) else "a damaged file"
            raise ArtifactError(f"{_OWNER}: {place} must hold images; got {got}. {fix}") from None
        if block.shape != wanted or block.dtype != np.uint8:
            got = f"{block.dtype} {block.shape}"
            raise ArtifactError(f"{_OWNER}: {place} must be uint8 {wanted}; got {got}. {fix}")
        return block


def make_pairs(
    walk: Callable[[Tensor, int], Tensor], folder: str | Path, plan: PairsPlan, batch_size: int = 100
) -> Pairs:
    """Make the pairs of a folder; blocks that are there already, and can be read, stay.

    Args:
        walk: noise (b, c, h, w) and the number of its first row -> images (b, c, h, w) in [-1, 1].
        folder: where they go.
        plan: what the pairs shall be.
        batch_size: pairs walked at a time.

    Raises:
        SettingError: the folder holds pairs of another teacher, solver, seed or number, or a number is too
            small.
        ArtifactError: the folder holds something else, or the disk refused.
    """
    for name, value, least in (("n", plan.n, 2), ("batch_size", batch_size, 1)):
        if value < least:
            raise SettingError(f"{_OWNER}: {name} must be at least {least}; got {value}. Raise it.")
    pairs = Pairs(Path(folder), _claimed(Path(folder), plan))
    todo = [rows for rows in row_blocks(plan.n, _BLOCK) if not pairs.is_there(rows)]
    for rows in track(todo, len(todo), f"pairs, {_BLOCK} a step"):
        made = [
            walk(pairs.noise(slice(rows.start + part.start, rows.start + part.stop)), rows.start + part.start)
            for part in row_blocks(rows.stop - rows.start, batch_size)
        ]
        levels = ((torch.cat(made).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        replace_file(pairs.place(rows), _npy(levels.cpu().numpy()), _OWNER, ArtifactError)
    return pairs


def walker(teacher: Denoiser, table: SolverTable, seed: int) -> Callable[[Tensor, int], Tensor]:
    """The walk that `make_pairs` takes; noise on the way belongs to the number of the pair."""

    def walked(noise: Tensor, first: int) -> Tensor:
        def denoiser_of(rows: slice) -> Any:
            return pixel.denoiser(teacher.under(None, rows))

        start = noise.to(teacher.pixel_mean)
        return teacher.pixels(pixel.solve(table, denoiser_of, start, seed, first))

    return walked


def open_pairs(folder: str | Path) -> Pairs:
    """The pairs of a folder.

    Raises:
        ArtifactError: there are none.
    """
    plan = _read(Path(folder))
    if plan is None:
        fix = "Make some with dima image make-pairs."
        raise ArtifactError(f"{_OWNER}: {folder} must hold pairs; got none. {fix}")
    return Pairs(Path(folder), plan)


def network_identity(network: Arrays) -> str:
    """What tells one network from another: a hash of its parameters."""
    told = hashlib.sha256()
    for name in sorted(network):
        told.update(name.encode() + np.ascontiguousarray(network[name]).tobytes())
    return told.hexdigest()[:16]


def _claimed(folder: Path, plan: PairsPlan) -> PairsPlan:
    """Mark the folder as holding these pairs, if it holds no others; the plan it has then."""
    found = _read(folder)
    if found is not None:
        wanted = msgspec.structs.asdict(plan)
        del wanted["noise_row"]  # a folder of an older version goes on as it began
        must_match(_OWNER, folder, wanted, msgspec.structs.asdict(found), "Choose another folder.")
        return found
    place = make_folder(folder, _OWNER, ArtifactError) / _PLAN
    replace_file(place, msgspec.json.encode(plan), _OWNER, ArtifactError)
    return plan


def _read(folder: Path) -> PairsPlan | None:
    place = folder / _PLAN
    if not place.exists():
        return None
    try:
        return msgspec.json.decode(place.read_bytes(), type=PairsPlan)
    except (OSError, msgspec.DecodeError) as fault:
        fix = "Choose another folder."
        raise ArtifactError(f"{_OWNER}: {place} must describe pairs; got {fault}. {fix}") from None


def _npy(array: Array) -> Callable[..., None]:
    return lambda stream: np.save(stream, array, allow_pickle=False)
