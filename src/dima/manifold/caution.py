"""Warnings that point at the user's own line, whatever stands between it and the cause."""

import sys
import warnings

__all__ = ["caution"]

_INSIDE = {"dima", "sklearn"}  # scikit-learn wraps `transform`, pipelines wrap everything


def caution(told: str) -> None:
    """Warn at the first line outside dima and scikit-learn."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(told, stacklevel=level)
