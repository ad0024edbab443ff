"""Models <-> artifacts: a closed registry of kinds, and nothing else decides what a file becomes."""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dima.errors import ArtifactError, DimaError, sentence
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.autoencoder import ManifoldAutoencoder
from dima.store import Artifact, hub
from dima.store import load as load_artifact
from dima.store import save as save_artifact
from dima.store import save_single as save_artifact_single

__all__ = ["KINDS", "download", "load", "require", "save", "save_single", "upload"]


def _ddpm() -> type:
    """JAX comes in only when a file holds a prior."""
    from dima.latent.ddpm import DDPM

    return DDPM


KINDS: dict[str, Callable[[], Any]] = {
    "manifold-autoencoder": lambda: ManifoldAutoencoder,
    "dmap": lambda: DMAP,
    "gplm": lambda: GPLM,
    "ddpm": _ddpm,
}


def save(model: Any, path: str | Path) -> Path:
    """Write a fitted model as an artifact folder and return its path.

    Raises:
        ArtifactError: the target cannot be written, or holds something else.
        NotFittedError: the model is not fitted.
    """
    artifact = _artifact(model)
    return save_artifact(Path(path), artifact, card=_card(model), fingerprint=_fingerprint(artifact))


def save_single(model: Any, path: str | Path, config_path: str | Path) -> None:
    """Write a fitted model as one msgpack file, with a readable copy of its settings."""
    artifact = _artifact(model)
    save_artifact_single(path, config_path, artifact, card=_card(model), fingerprint=_fingerprint(artifact))


def load(path: str | Path) -> Any:
    """Open any saved model: a folder, or a single .msgpack file.

    Raises:
        ArtifactError: the file is missing, damaged, foreign, or written by a newer dima.
    """
    artifact = load_artifact(Path(path))
    if artifact.kind not in KINDS:
        got = repr(artifact.kind)
        raise ArtifactError(sentence(str(path), "kind", f"one of {sorted(KINDS)}", got, "Upgrade dima."))
    try:
        return KINDS[artifact.kind]().from_arrays(artifact.settings, artifact.arrays)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, DimaError) as fault:
        told = f"{path}: the artifact must hold a whole {artifact.kind}; got one without {fault}."
        raise ArtifactError(f"{told} Save it again.") from fault


def require(model: Any, kind: type, where: str) -> None:
    """Refuse a model of another kind."""
    if not isinstance(model, kind):
        got = type(model).__name__
        raise ArtifactError(
            sentence(where, "the model", f"a {kind.__name__}", got, "Open it with dima.load.")
        )


def upload(model: Any, repo_id: str, token: str | None, private: bool = True) -> str:
    """Save to a temporary folder and upload that."""
    with tempfile.TemporaryDirectory() as scratch:
        return hub.upload(save(model, Path(scratch) / "model"), repo_id, token, private=private)


def download(repo_id: str, token: str | None) -> Any:
    """Download a model folder and open it."""
    return load(hub.download(repo_id, token))


def _artifact(model: Any) -> Artifact:
    settings, arrays = model.to_arrays()
    kind = next(name for name, home in KINDS.items() if isinstance(model, home()))
    return Artifact(kind, settings, arrays)


def _fingerprint(artifact: Artifact) -> str:
    """What tells the training rows a model holds from others; empty where it holds none."""
    rows = [artifact.arrays[name] for name in sorted(artifact.arrays) if name.endswith(("R_uX", "row_i"))]
    if not rows:
        return ""
    digest = hashlib.sha256()
    for array in rows:
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"sha256:{digest.hexdigest()}"


def _card(model: Any) -> str:
    """The model card: what it is, how it was fitted, how to open it."""
    lines = [
        "---",
        "library_name: dima",
        "tags: [manifold-learning, diffusion-maps, generative]",
        "---",
        f"# A {type(model).__name__} fitted with dima",
        "",
        "    import dima",
        '    model = dima.load("path/to/this/folder")',
        "",
        *_facts(model),
        "",
        "The file holds training rows, with which the encoder compares new ones: share it as you would them.",
    ]
    return "\n".join(lines) + "\n"


def _facts(model: Any) -> list[str]:
    if not isinstance(model, ManifoldAutoencoder):
        return []
    rows, chosen = len(model.dmap_.embedding_), model.gplm_
    return [
        f"- training rows: {rows} x {model.n_features_in_}",
        f"- latent dimension: {len(model.dmap_.eigenvalues_)}, neighbours {model.dmap_.k_}",
        f"- inducing points: {chosen.m_}, bandwidth {chosen.eps_:.4g}, ridge {chosen.sigma2_:.4g}",
        f"- predicted held-out squared error over variance: {chosen.press_.error:.4f}",
    ]
