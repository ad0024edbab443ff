"""Kinds of parts by name: a saved model is made of these and of nothing else a file could name."""

from collections.abc import Callable
from typing import Any

from dima.model import priors
from dima.model.by_class import ByClass
from dima.model.parts import STANDING, needing_torch

__all__ = ["AUTOENCODERS", "PRIORS"]


def _diffusion() -> Any:
    with needing_torch("DiffusionCoder"):
        from dima.model.diffusion_coder import DiffusionCoder
    return DiffusionCoder


AUTOENCODERS: dict[str, Callable[[], Any]] = {**STANDING, "diffusion-coder": _diffusion}
PRIORS: dict[str, Callable[[], Any]] = {**priors.PRIORS, "by-class": lambda: ByClass}
