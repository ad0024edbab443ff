"""Models <-> artifacts: a closed registry of kinds, and nothing else decides what a file becomes."""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dima.errors import ArtifactError, BackendError, DimaError
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model import kinds, parts
from dima.model.latent_diffusion import LatentDiffusion
from dima.model.latent_model import LatentModel
from dima.model.manifold_autoencoder import ManifoldAutoencoder
from dima.store import Artifact, hub
from dima.store import load as load_artifact
from dima.store import save as save_artifact
from dima.store import save_single as save_artifact_single

__all__ = ["KINDS", "download", "load", "save", "save_single", "upload"]


def _pixel_diffusion() -> Any:
    with parts.needing_torch("PixelDiffusion"):
        from dima.model.pixel_diffusion import PixelDiffusion
    return PixelDiffusion


def _direct() -> Any:
    with parts.needing_torch("DirectModel"):
        from dima.model.direct import DirectModel
    return DirectModel


def _diffusion_autoencoder() -> Any:
    with parts.needing_torch("DiffusionAutoencoder"):
        from dima.model.diffusion_autoencoder import DiffusionAutoencoder
    return DiffusionAutoencoder


# Models, and the parts that are of use alone.
KINDS: dict[str, Callable[[], Any]] = {
    "latent-model": lambda: LatentModel,
    "manifold-autoencoder": lambda: ManifoldAutoencoder,
    "dmap": lambda: DMAP,
    "gplm": lambda: GPLM,
    **kinds.PRIORS,
    "latent-diffusion": lambda: LatentDiffusion,
    # Last: they are looked at only for what is none of those above.
    "image-autoencoder": kinds.AUTOENCODERS["image-autoencoder"],
    "diffusion-coder": kinds.AUTOENCODERS["diffusion-coder"],
    "diffusion-autoencoder": _diffusion_autoencoder,
    "pixel-diffusion": _pixel_diffusion,
    "direct": _direct,
}


def save(model: Any, path: str | Path) -> Path:
    """Write a fitted model as an artifact folder and return its path; an older model there is replaced.

    Raises:
        ArtifactError: the target cannot be written, or holds something else.
        NotFittedError: the model is not fitted.
    """
    artifact = _artifact(model)
    return save_artifact(Path(path), artifact, card=_card(model), fingerprint=_fingerprint(artifact))


def save_single(model: Any, path: str | Path, config_path: str | Path) -> None:
    """Write a fitted model as one msgpack file, with a readable copy of its settings."""
    save_artifact_single(Path(path), Path(config_path), _artifact(model), card=_card(model))


def load(path: str | Path) -> Any:
    """Open any saved model: a folder, or a single .msgpack file.

    Raises:
        ArtifactError: the file is missing, damaged, foreign, or written by a newer dima.
    """
    artifact = load_artifact(Path(path))
    if artifact.kind not in KINDS:
        known = ", ".join(sorted(KINDS))
        raise ArtifactError(f"{path}: kind must be one of {known}; got {artifact.kind!r}. Upgrade dima.")
    try:
        return KINDS[artifact.kind]().from_arrays(artifact.settings, artifact.arrays)
    except BackendError:
        raise  # what is missing is a package, not a part of the file
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, DimaError) as fault:
        message = f"{path}: the artifact must hold a whole {artifact.kind}; got one without {fault}."
        raise ArtifactError(f"{message} Save it again.") from fault


def upload(model: Any, repo_id: str, token: str | None, private: bool = True) -> str:
    """Save to a temporary folder and upload that."""
    with tempfile.TemporaryDirectory() as scratch:
        return hub.upload(save(model, Path(scratch) / "model"), repo_id, token, private=private)


def download(repo_id: str, token: str | None) -> Any:
    """Download a model folder and open it."""
    return load(hub.download(repo_id, token))


def _artifact(model: Any) -> Artifact:
    kind = parts.kind_of(model, KINDS)
    if kind is None:
        got = type(model).__name__
        raise ArtifactError(f"save: the model must be of one of {', '.join(KINDS)}; got {got}.")
    values, arrays = model.to_arrays()
    return Artifact(kind, msgspec.to_builtins(values, enc_hook=np.generic.item), arrays)


def _fingerprint(artifact: Artifact) -> str:
    """What tells the training rows a model holds from others; empty where it holds none."""
    names = [name for name in sorted(artifact.arrays) if name.endswith(("R_uX", "row_i"))]
    rows = b"".join(artifact.arrays[name].tobytes() for name in names)
    return f"sha256:{hashlib.sha256(rows).hexdigest()}" if names else ""


def _card(model: Any) -> str:
    """The model card: what it is, how it was fitted, how to open it."""
    facts = [f"- {name.replace('_', ' ')}: {_shown(value)}" for name, value in model.facts().items()]
    lines = [
        "---",
        "library_name: dima",
        "tags: [manifold-learning, diffusion-maps, generative]",
        "---",
        f"# A {type(model).__name__} fitted with dima",
        "",
        "    import dima  # pip install dima-manifold",
        '    model = dima.load("path/to/this/folder")',
        "",
        *facts,
        "",
        "The file may hold training rows, with which new ones are compared: share it as you would those.",
    ]
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
