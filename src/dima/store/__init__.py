"""Saved models: plain settings and arrays to disk and back, never code."""

from dima.store.artifact import Artifact, load, load_single, save, save_single

__all__ = ["Artifact", "load", "load_single", "save", "save_single"]
