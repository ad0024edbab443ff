"""Ready hooks on disk: a name, settings and tensors a site, in a saved artifact; never code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from dima import store
from dima.errors import ArtifactError, DimaError, SettingError
from dima.fitted import below, under
from dima.image.hooks.ready import READY, Compose
from dima.image.hooks.tape import Hook
from dima.image.hooks.values import ReadyHook
from dima.store import Artifact
from dima.typing import Arrays

__all__ = ["KIND", "load_recipe", "save_recipe"]

KIND = "hook-recipe"
_COMPOSE = "compose"
_CARD = "# Hooks saved by dima\n\nOpen them with `load_recipe`. They may hold features of training data.\n"
_NAMES = {ready: name for name, ready in READY.items()}


class _Plain(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is plain of a hook: its name, its settings, and the hooks it is composed of."""

    name: str
    settings: dict[str, Any] = {}
    hooks: list["_Plain"] = []


class _Recipe(msgspec.Struct, forbid_unknown_fields=True):
    sites: dict[str, _Plain]


def save_recipe(path: str | Path, hooks: Mapping[str, Hook]) -> Path:
    """Write ready hooks as a folder that `load_recipe` opens, and return its path.

    Args:
        path: folder; an older recipe there is replaced.
        hooks: site -> ready hook.

    Raises:
        SettingError: one of the hooks is a function of one's own, which is code.
        ArtifactError: it cannot be written.
    """
    sites: dict[str, _Plain] = {}
    arrays: Arrays = {}
    for site, hook in hooks.items():
        sites[site], own = _taken_apart(site, hook)
        arrays |= under(site, own)
    return store.save(path, Artifact(KIND, msgspec.to_builtins(_Recipe(sites)), arrays), card=_CARD)


def load_recipe(path: str | Path) -> dict[str, Hook]:
    """The ready hooks that `save_recipe` wrote, site -> hook, with their tensors on the CPU.

    Raises:
        ArtifactError: there is none, it is damaged, or of hooks this version does not know.
    """
    artifact = store.load(path)
    if artifact.kind != KIND:
        raise ArtifactError(f"load: {path} must hold a {KIND}; got a {artifact.kind}. Check the path.")
    try:
        recipe = msgspec.convert(artifact.settings, _Recipe)
        return {site: _built(plain, below(artifact.arrays, site)) for site, plain in recipe.sites.items()}
    except (msgspec.ValidationError, DimaError, TypeError, RecursionError) as fault:
        raise ArtifactError(f"load: {path} must hold hooks this version knows; got: {fault}") from None


def _taken_apart(site: str, hook: Any) -> tuple[_Plain, Arrays]:
    if isinstance(hook, Compose):
        parts = [_taken_apart(site, part) for part in hook.hooks]
        arrays = [under(str(place), own) for place, (_, own) in enumerate(parts)]
        together = {name: array for own in arrays for name, array in own.items()}
        return _Plain(_COMPOSE, hooks=[plain for plain, _ in parts]), together
    if type(hook) not in _NAMES:
        rule, fix = "a ready hook, which is data", "Keep functions in a program."
        got = getattr(hook, "__name__", type(hook).__name__)
        raise SettingError(f"save_recipe: the hook at {site!r} must be {rule}; got {got}. {fix}")
    values = vars(hook)
    tensors = {name: value.cpu().numpy() for name, value in values.items() if isinstance(value, Tensor)}
    return _Plain(
        _NAMES[type(hook)], {name: values[name] for name in values.keys() - tensors.keys()}
    ), tensors


def _built(plain: _Plain, arrays: Arrays) -> Hook:
    if plain.name == _COMPOSE:
        return Compose([_built(part, below(arrays, str(i))) for i, part in enumerate(plain.hooks)])
    if plain.name not in READY:
        raise SettingError(f"a hook must be one of {sorted([*READY, _COMPOSE])}; got {plain.name!r}.")
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    ready: type[ReadyHook] = READY[plain.name]
    return ready(**plain.settings, **tensors)
