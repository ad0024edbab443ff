"""Saved models: plain settings and arrays to disk and back, never code."""

from dima.store.artifact import load, save
from dima.store.contents import Artifact
from dima.store.single import load_single, save_single

__all__ = ["Artifact", "load", "load_single", "save", "save_single"]
