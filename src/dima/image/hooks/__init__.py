"""Hooks on the features of image networks: change them on the way, record them, save what was done."""

from dima.image.hooks.ready import (
    READY,
    Amplify,
    Away,
    Bias,
    Compose,
    Dampen,
    ProjectOut,
    Select,
    Swap,
    Toward,
)
from dima.image.hooks.recipe import load_recipe, save_recipe
from dima.image.hooks.tape import Context, Hook, Hooked, Tape, hooked, leave

__all__ = [
    "READY",
    "Amplify",
    "Away",
    "Bias",
    "Compose",
    "Context",
    "Dampen",
    "Hook",
    "Hooked",
    "ProjectOut",
    "Select",
    "Swap",
    "Tape",
    "Toward",
    "hooked",
    "leave",
    "load_recipe",
    "save_recipe",
]
