"""Kinds of parts by name: a saved model is made of these and of nothing else a file could name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from dima.errors import SettingError
from dima.model.parts import STANDING, make_part, needing_torch

__all__ = ["AUTOENCODERS", "PRIORS", "distilled", "make_prior"]


def _ddpm() -> Any:
    # It brings JAX, which a model without a prior does not need.
    from dima.latent.ddpm import DDPM

    return DDPM


def _direct() -> Any:
    from dima.latent.direct import DirectPrior

    return DirectPrior


def _diffusion() -> Any:
    with needing_torch("DiffusionCoder"):
        from dima.model.diffusion_coder import DiffusionCoder
    return DiffusionCoder


AUTOENCODERS: dict[str, Callable[[], Any]] = {**STANDING, "diffusion-coder": _diffusion}
PRIORS: dict[str, Callable[[], Any]] = {"ddpm": _ddpm, "direct": _direct}
_FROM_POINTS = ("ddpm",)  # those that learn from latents; "direct" learns from a fitted one


def make_prior(owner: str, given: Any, seed: int, defaults: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """A fresh prior from a name, an estimator or settings for a `DDPM` beside the defaults; None for none.

    Raises:
        SettingError: the name is unknown, or a setting is unknown or out of range.
    """
    if given is None:
        return None
    if isinstance(given, str):
        if given not in _FROM_POINTS:
            names = ", ".join(map(repr, _FROM_POINTS))
            fix = " Fit with 'ddpm', then call distilled()." if given in PRIORS else ""
            raise SettingError(
                f"{owner}: prior must be one of {names}, settings or None; got {given!r}.{fix}"
            )
        return make_part(owner, "prior", PRIORS[given](), defaults, seed)
    beside = {**defaults, **given} if isinstance(given, Mapping) else given
    return make_part(owner, "prior", _ddpm(), beside, seed)


def distilled(owner: str, teacher: Any, given: Mapping[str, Any], seed: int, checkpoint: Any = None) -> Any:
    """A prior of one evaluation, distilled from a fitted one with settings for a `DirectPrior`.

    Raises:
        SettingError: a setting is unknown or out of range, or the teacher cannot be distilled.
    """
    return make_part(owner, "prior", _direct(), given, seed).fit(teacher, checkpoint=checkpoint)
