"""Parts of a model as they are handed in, made, saved and opened, whatever their kind."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sklearn.base import clone

from dima import settings
from dima.errors import ArtifactError, BackendError, SettingError
from dima.fitted import below
from dima.model.autoencoder import Autoencoder
from dima.model.manifold_map import ManifoldMap
from dima.model.transformer import TransformerAutoencoder
from dima.typing import Array, Arrays

__all__ = [
    "STANDING",
    "fitted_autoencoder",
    "kind_of",
    "make_autoencoder",
    "make_part",
    "needing_torch",
    "open_part",
    "part_arrays",
]


@contextlib.contextmanager
def needing_torch(name: str) -> Iterator[None]:
    """A block that imports what brings PyTorch, and says what to install where it is not there.

    Raises:
        BackendError: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as fault:
        fix = 'Run: pip install "dima-manifold[image]"'
        raise BackendError(f"{name}: {fault.name} must be installed; got none. {fix}") from None


def _image() -> Any:
    with needing_torch("ImageAutoencoder"):
        from dima.model.image_autoencoder import ImageAutoencoder
    return ImageAutoencoder


# Autoencoders that stand by themselves, so that another may hold one of them.
STANDING: dict[str, Callable[[], Any]] = {
    "manifold-map": lambda: ManifoldMap,
    "transformer": lambda: TransformerAutoencoder,
    "image-autoencoder": _image,  # last: it is looked at only for what is none of those above
}


def make_autoencoder(owner: str, given: Any) -> Any:
    """A fresh autoencoder from one of ours, or from a scikit-learn transformer with `inverse_transform`.

    Raises:
        SettingError: it is neither.
    """
    if isinstance(given, Autoencoder):
        return clone(given)
    is_transformer = hasattr(given, "transform") and hasattr(given, "inverse_transform")
    if is_transformer and not isinstance(given, type):
        return TransformerAutoencoder(clone(given))
    rule = "an autoencoder or a transformer with inverse_transform"
    raise SettingError(f"{owner}: autoencoder must be {rule}; got {type(given).__name__}. Pass PCA(16), say.")


def fitted_autoencoder(owner: str, given: Any, images: Array, checkpoint: Path | None = None) -> Any:
    """What was given, where it is fitted and so frozen; else one like it, fitted to images (n, c, h, w).

    One that is trained on images keeps `checkpoint`, a run folder, up to date.

    Raises:
        SettingError: it is no autoencoder.
    """
    if isinstance(given, Autoencoder) and given.is_fitted():
        return given
    fresh = make_autoencoder(owner, given)
    if fresh.takes_images:
        return fresh.fit(images, checkpoint=checkpoint)
    return fresh.fit(images.reshape(len(images), -1))


def make_part(owner: str, name: str, kind: Any, given: Any, seed: int) -> Any:
    """A fresh estimator of a kind from what was handed in: one of its own, settings, or None.

    Raises:
        SettingError: it is none of these, or a setting is unknown or out of range.
    """
    if isinstance(given, kind):
        return clone(given)
    if given is not None and not isinstance(given, Mapping):
        rule, fix = f"a {kind.__name__}, its settings or None", "Pass settings as a dictionary."
        raise SettingError(f"{owner}: {name} must be {rule}; got {type(given).__name__}. {fix}")
    place = f"{owner}.{name}"
    own = {"seed": seed} | settings.accept(place, kind, given or {})
    return kind(**settings.check(place, kind, own))


def kind_of(part: Any, role: Mapping[str, Callable[[], Any]]) -> str | None:
    """The name that a registry has for what is exactly of that class; None where it has none."""
    return next((name for name, home in role.items() if type(part) is home()), None)


def part_arrays(part: Any, role: Mapping[str, Callable[[], Any]]) -> tuple[dict[str, Any], Arrays]:
    """A fitted part as plain values, its kind among them, and arrays.

    Raises:
        ArtifactError: it is of no registered kind.
    """
    kind = kind_of(part, role)
    if kind is None:
        got, fix = type(part).__name__, f"Register it: one of {', '.join(role)} can be saved."
        raise ArtifactError(f"save: a part must be of a registered kind; got {got}. {fix}")
    saved, arrays = part.to_arrays()
    return {"kind": kind, "saved": saved}, arrays


def open_part(saved: dict[str, Any], arrays: Arrays, name: str, role: Mapping[str, Callable[[], Any]]) -> Any:
    """The part saved under `name`; None where there is none.

    Raises:
        ArtifactError: its kind is unknown.
    """
    if saved[name] is None:
        return None
    kind = saved[name]["kind"]
    if kind not in role:
        fix = "Upgrade dima."
        raise ArtifactError(f"load: {name} must be one of {sorted(role)}; got {kind!r}. {fix}")
    return role[kind]().from_arrays(saved[name]["saved"], below(arrays, name))
