"""Priors over latents by name, and one made from what a user hands in."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from dima.errors import SettingError
from dima.model.parts import make_part
from dima.typing import Array

__all__ = ["FROM_POINTS", "PRIORS", "distilled", "fit_prior", "is_trained", "make_prior"]


def _ddpm() -> Any:
    # It brings JAX, which a model without a prior does not need.
    from dima.latent.ddpm import DDPM

    return DDPM


def _direct() -> Any:
    from dima.latent.direct import DirectPrior

    return DirectPrior


def _mixture() -> Any:
    from dima.model.mixture_prior import MixturePrior

    return MixturePrior


def _bootstrap() -> Any:
    from dima.model.mixture_prior import BootstrapPrior

    return BootstrapPrior


PRIORS: dict[str, Callable[[], Any]] = {
    "ddpm": _ddpm,
    "gmm": _mixture,
    "bootstrap": _bootstrap,
    "direct": _direct,
}
FROM_POINTS = ("ddpm", "gmm", "bootstrap")  # those that learn from latents alone
_ENOUGH = 1000  # rows from which a network learns more than a mixture holds;
_ENOUGH_TREATED = 50_000  # where draws are scattered and matched afterwards, from which it is worth its time


def make_prior(
    owner: str,
    given: Any,
    seed: int,
    defaults: Mapping[str, Any] = MappingProxyType({}),
    n: int = _ENOUGH_TREATED,
    *,
    is_treated: bool = False,
) -> Any:
    """A fresh prior from a name, an estimator or settings for a `DDPM` beside the defaults; None for none.

    "auto" is a Gaussian mixture below a thousand rows `n`, fifty thousand of treated columns, and a `DDPM`
    from there.

    Raises:
        SettingError: the name is unknown, or a setting is unknown or out of range.
    """
    if given is None:
        return None
    if isinstance(given, str):
        enough = _ENOUGH_TREATED if is_treated else _ENOUGH
        given = ("ddpm" if n >= enough else "gmm") if given == "auto" else given
        if given not in FROM_POINTS:
            names = ", ".join(map(repr, ("auto", *FROM_POINTS)))
            fix = " Fit with 'ddpm', then call distilled()." if given in PRIORS else ""
            raise SettingError(
                f"{owner}: prior must be one of {names}, settings or None; got {given!r}.{fix}"
            )
        return make_part(owner, "prior", PRIORS[given](), defaults if given == "ddpm" else None, seed)
    for name in FROM_POINTS:
        if type(given) is PRIORS[name]():
            return make_part(owner, "prior", type(given), given, seed)
    beside = {**defaults, **given} if isinstance(given, Mapping) else given
    return make_part(owner, "prior", _ddpm(), beside, seed)


def is_trained(prior: Any) -> bool:
    """Whether fitting such a prior is a training, which has a run folder and can be watched."""
    return not isinstance(prior, _mixture())


def fit_prior(prior: Any, Z: Array, checkpoint: Any = None, watch: Any = None) -> Any:
    """Fit a prior to latents `Z` (n, d); run folder and watch are for those that are trained."""
    if not is_trained(prior):
        return prior.fit(Z)
    return prior.fit(Z, checkpoint=checkpoint, watch=watch)


def distilled(owner: str, teacher: Any, given: Mapping[str, Any], seed: int, checkpoint: Any = None) -> Any:
    """A prior of one evaluation, distilled from a fitted one with settings for a `DirectPrior`.

    Raises:
        SettingError: a setting is unknown or out of range, or the teacher cannot be distilled.
    """
    return make_part(owner, "prior", _direct(), given, seed).fit(teacher, checkpoint=checkpoint)
