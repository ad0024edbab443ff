"""Checkpoints of a training run: {step, parameters, average, optimiser, history}, and what they belong to."""

import hashlib
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from dima.errors import ArtifactError, SettingError, sentence
from dima.files import surviving
from dima.store import Artifact, load, save
from dima.typing import Array

__all__ = ["fingerprint", "read", "write"]

_KIND = "ddpm-training"

S = TypeVar("S")  # a tree of arrays


def fingerprint(data: Array) -> str:
    """What tells one set of training points from another."""
    return hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest()


def write(path: Path, standing: Any, run: dict[str, Any]) -> None:
    """Replace the checkpoint at `path` by where this run stands.

    Raises:
        ArtifactError: the target cannot be written, or holds something else.
    """
    leaves = jax.tree.leaves(standing)
    arrays = {f"{i:04d}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
    save(path, Artifact(_KIND, run, arrays), card="A checkpoint of dima's DDPM; training goes on from it.\n")


def read(path: Path, standing: S, run: dict[str, Any]) -> S:
    """The state to go on from: that of the checkpoint, or `standing` where there is none yet.

    Raises:
        ArtifactError: the checkpoint is damaged, or something else.
        SettingError: it belongs to a run with other settings or other points.
    """
    # There, or set aside by a save that was killed.
    place = surviving(path, "DDPM checkpoint", ArtifactError)
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return standing
    found = load(path)
    if found.kind != _KIND:
        raise ArtifactError(
            sentence(str(path), "the artifact", "a checkpoint", found.kind, "Choose another place.")
        )
    other = sorted(name for name in run if found.settings.get(name) != run[name])
    if other:
        got, fix = f"others: {', '.join(other)}", "Give the run's own, or another checkpoint folder."
        raise SettingError(sentence(f"DDPM checkpoint {path}", "settings", "those of the run", got, fix))
    leaves, structure = jax.tree.flatten(standing)
    if len(leaves) != len(found.arrays):
        got = f"{len(found.arrays)} arrays instead of {len(leaves)}"
        raise ArtifactError(sentence(str(path), "the checkpoint", "one of this version", got, "Start anew."))
    arrays = [found.arrays[name] for name in sorted(found.arrays)]
    # NumPy's stay NumPy's: JAX would round the history to float32.
    kept = [
        new if isinstance(old, np.ndarray) else jnp.asarray(new)
        for old, new in zip(leaves, arrays, strict=True)
    ]
    restored: S = jax.tree.unflatten(structure, kept)
    return restored
