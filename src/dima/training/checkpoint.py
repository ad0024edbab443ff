"""Checkpoints: the arrays of a run by name, what it belongs to, and where its early stopping stands."""

import dataclasses
import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dima.errors import ArtifactError, SettingError, warn_user
from dima.files import surviving
from dima.fitted import below, under
from dima.store import Artifact, load, save
from dima.store.contents import plain_settings
from dima.training.stopping import Patience
from dima.typing import Array, Arrays, Float64

__all__ = ["Checkpoint", "fingerprint", "read", "write"]

_KIND = "training-checkpoint"
_CARD = "A checkpoint of a training run of dima; training goes on from it.\n"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on.

    Attributes:
        state: the engine's arrays, by the names of its parameters.
        best: those with the least held-out loss; empty without early stopping.
        history: (records, 2) steps done and mean loss since the record before.
        patience: early stopping.
    """

    state: Arrays
    best: Arrays
    history: Float64
    patience: Patience


def fingerprint(*data: Array) -> str:
    """What tells one set of training data from another; that of more arrays begins with that of the first."""
    return " ".join(hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for array in data)


def write(path: Path, checkpoint: Checkpoint, identity: Mapping[str, Any]) -> None:
    """Replace the checkpoint at `path`; an old or the new one is there whenever the process dies.

    Raises:
        ArtifactError: the target cannot be written, or holds something else.
    """
    arrays = under("state", checkpoint.state) | under("best", checkpoint.best)
    patience = checkpoint.patience
    best = patience.best if np.isfinite(patience.best) else None  # JSON has no infinity
    settings = {"identity": dict(identity), "best": best, "waited": patience.waited}
    save(path, Artifact(_KIND, settings, {**arrays, "history": checkpoint.history}), card=_CARD)


def read(path: Path, identity: Mapping[str, Any], data: Collection[str] = ()) -> Checkpoint | None:
    """The checkpoint at `path`; None where there is none yet.

    The names `data` hold fingerprints; a checkpoint with none, or those of fewer arrays, is an older one.

    Raises:
        ArtifactError: it is damaged, or something else.
        SettingError: it belongs to a run with other settings or other data.
    """
    place = surviving(path, "training", ArtifactError)  # there, or set aside by a killed save
    if not place.exists():
        return None
    try:
        found = load(path)
    except ArtifactError as fault:
        raise ArtifactError(f"{fault} To start anew, delete {path}.") from None
    if found.kind != _KIND:
        fix = "Choose another place."
        raise ArtifactError(f"training: {path} must be a checkpoint; got a saved {found.kind}. {fix}")
    theirs, own = found.settings["identity"], plain_settings(dict(identity))  # as they are read back
    held = theirs.keys() & data
    older = {name for name in held if own[name].startswith(str(theirs[name]))} if held else {*data}
    others = sorted(name for name in {*own, *theirs} - older if theirs.get(name) != own.get(name))
    if data and not held and not others:
        fix = "Make sure they are the same, or choose another folder."
        got = "none, so they were not compared"
        warn_user(f"training: {path} must hold fingerprints of its data; got {got}. {fix}")
    if others:
        fix = "Give the run's own, or choose another folder."
        kinds = {"the data" if name in data else "the settings" for name in others}
        rule, got = f"those of the run in {path}", f"others: {', '.join(others)}"
        raise SettingError(f"training: {' and '.join(sorted(kinds))} must be {rule}; got {got}. {fix}")
    best = np.inf if found.settings["best"] is None else found.settings["best"]
    patience, arrays = Patience(None, best, found.settings["waited"]), found.arrays
    return Checkpoint(below(arrays, "state"), below(arrays, "best"), arrays["history"], patience)
