"""Networks of pixels in saved models: written as one alone, found again in whatever holds them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dima import store
from dima.errors import ArtifactError
from dima.fitted import below, under
from dima.settings import must_match
from dima.store import Artifact
from dima.typing import Arrays

__all__ = ["network_at", "open_network", "save_network"]

_FORM = ("image_shape", "pixels")  # what tells networks of the same settings apart
_ANYWHERE = {"device": "auto", "precision": "float32", "seed": 0}


def save_network(
    path: str | Path, kind: str, settings: dict[str, Any], shape: Sequence[int], network: Arrays
) -> Path:
    """Write a network as a saved model of that kind, as if it had been fitted.

    Args:
        path: folder.
        kind: of saved models, by which `dima.load` opens it.
        settings: of the estimator of that kind, as far as they are known.
        shape: (c, h, w) of an image.
        network: its parameters, by name.
    """
    plain = {"settings": _ANYWHERE | settings, "image_shape": list(shape), "network": {}}
    saved = {"fit": plain, "n_features": math.prod(shape), "columns": None, "autoencoder": None}
    return store.save(path, Artifact(kind, saved, under("network", network) | {"losses": np.empty((0, 2))}))


def open_network(path: str | Path, kind: str) -> tuple[dict[str, Any], Arrays]:
    """Plain values and parameters of the network of that kind at `path`, or in the model that is there.

    Raises:
        ArtifactError: there is none.
    """
    artifact = store.load(path)
    found, saved, arrays = artifact.kind, artifact.settings, artifact.arrays
    while found != kind:
        part = saved.get("autoencoder")
        if not isinstance(part, dict) or "saved" not in part:
            got = artifact.kind
            raise ArtifactError(f"load: {path} must hold a saved {kind}; got a {got}. Check the path.")
        found, saved, arrays = part["kind"], part["saved"], below(arrays, "autoencoder")
    return saved["fit"], below(arrays, "network")


def network_at(owner: str, path: str | Path, kind: str, wanted: dict[str, Any]) -> Arrays:
    """The parameters of the network of that kind at `path`, which is made of the settings wanted.

    Raises:
        ArtifactError: there is none.
        SettingError: it is made of others.
    """
    plain, arrays = open_network(path, kind)
    found = {**plain["settings"], **{name: plain[name] for name in _FORM if plain.get(name) is not None}}
    known = {name: value for name, value in wanted.items() if name in found}
    must_match(owner, path, known, found, "Make one with those.")
    return arrays
