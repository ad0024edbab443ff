"""Kinds of parts by name: a saved model is made of these and of nothing else a file could name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sklearn.base import clone

from dima import settings
from dima.errors import ArtifactError, BackendError, SettingError
from dima.fitted import below
from dima.model.autoencoder import Autoencoder
from dima.model.manifold_map import ManifoldMap
from dima.model.transformer import TransformerAutoencoder
from dima.typing import Arrays

__all__ = [
    "AUTOENCODERS",
    "PRIORS",
    "make_autoencoder",
    "make_part",
    "make_prior",
    "open_part",
    "part_arrays",
]


def _ddpm() -> Any:
    # It brings JAX, which a model without a prior does not need.
    from dima.latent.ddpm import DDPM

    return DDPM


def _image() -> Any:
    try:
        from dima.model.image_autoencoder import ImageAutoencoder
    except ModuleNotFoundError as fault:
        fix = 'Run: pip install "dima-manifold[image]"'
        raise BackendError(f"ImageAutoencoder: {fault.name} must be installed; got none. {fix}") from None
    return ImageAutoencoder


AUTOENCODERS: dict[str, Callable[[], Any]] = {
    "manifold-map": lambda: ManifoldMap,
    "transformer": lambda: TransformerAutoencoder,
    "image-autoencoder": _image,  # last: it is looked at only for what is none of those above
}
PRIORS: dict[str, Callable[[], Any]] = {"ddpm": _ddpm}


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


def make_prior(owner: str, given: Any, seed: int, defaults: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """A fresh prior from a name, an estimator or settings for a `DDPM` beside the defaults; None for none.

    Raises:
        SettingError: the name is unknown, or a setting is unknown or out of range.
    """
    if given is None:
        return None
    if isinstance(given, str):
        if given not in PRIORS:
            names = ", ".join(map(repr, PRIORS))
            raise SettingError(f"{owner}: prior must be one of {names}, settings or None; got {given!r}.")
        return make_part(owner, "prior", PRIORS[given](), defaults, seed)
    beside = {**defaults, **given} if isinstance(given, Mapping) else given
    return make_part(owner, "prior", _ddpm(), beside, seed)


def make_part(owner: str, name: str, kind: Any, given: Any, seed: int) -> Any:
    """A fresh estimator of a kind from what was handed in: one of its own, settings, or None.

    Raises:
        SettingError: it is neither, or a setting is unknown or out of range.
    """
    if isinstance(given, kind):
        return clone(given)
    if given is not None and not isinstance(given, Mapping):
        rule = f"a {kind.__name__}, its settings or None"
        raise SettingError(f"{owner}: {name} must be {rule}; got {type(given).__name__}.")
    place = f"{owner}.{name}"
    own = {"seed": seed} | settings.accept(place, kind, given or {})
    return kind(**settings.check(place, kind, own))


def part_arrays(part: Any, role: Mapping[str, Callable[[], Any]]) -> tuple[dict[str, Any], Arrays]:
    """A fitted part as plain values, its kind among them, and arrays.

    Raises:
        ArtifactError: it is of no registered kind.
    """
    kind = next((name for name, home in role.items() if type(part) is home()), None)
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
