"""The exception tree, and warnings that point at the user's own line.

DimaError
|-- SettingError(ValueError)        a setting is unknown, out of range or contradicts another
|-- ShapeError(ValueError)          an array has the wrong number of axes or the wrong width
|-- DataError(ValueError)           the numbers themselves cannot be used (NaN, constant, too few rows ...)
|   `-- DataTypeError(TypeError)    the element type cannot be used (objects, complex numbers ...)
|-- NotFittedError(RuntimeError)    a method that needs `fit` was called before it
|-- ArtifactError(ValueError)       a saved model is damaged, foreign or newer than this library
|-- BackendError(ImportError)       an optional package or a device is not there
|-- NumericsError(ArithmeticError)  a computation did not converge or overflowed
`-- MemoryBudgetError(MemoryError)  a request would not fit into memory and was refused before it started

A message is one sentence: "owner: thing must be rule; got value. What to do."
"""

import contextlib
import contextvars
import sys
import warnings
from collections.abc import Iterator

__all__ = [
    "ArtifactError",
    "BackendError",
    "DataError",
    "DataTypeError",
    "DimaError",
    "MemoryBudgetError",
    "NotFittedError",
    "NumericsError",
    "SettingError",
    "ShapeError",
    "kept_messages",
    "warn_user",
]

_INSIDE = {"dima", "sklearn"}  # scikit-learn wraps `transform`, pipelines wrap everything


class DimaError(Exception):
    """Base of every error dima raises on purpose."""


class SettingError(DimaError, ValueError):
    """A setting is unknown, out of its range, or contradicts another one."""


class ShapeError(DimaError, ValueError):
    """An array has the wrong number of axes or the wrong width."""


class DataError(DimaError, ValueError):
    """The numbers themselves cannot be used."""


class DataTypeError(DataError, TypeError):
    """The element type of an array cannot be used."""


class NotFittedError(DimaError, RuntimeError):
    """A method that needs `fit` was called before it."""


class ArtifactError(DimaError, ValueError):
    """A saved model is damaged, foreign, or written by a newer dima."""


class BackendError(DimaError, ImportError):
    """An optional package or a device is not there."""


class NumericsError(DimaError, ArithmeticError):
    """A computation did not converge, or overflowed."""


class MemoryBudgetError(DimaError, MemoryError):
    """A request would not fit into memory, and was refused before it started."""


_kept: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("dima_kept", default=None)


@contextlib.contextmanager
def kept_messages() -> Iterator[list[str]]:
    """A block whose `warn_user` is written to the list it gives, and nothing shown; other threads go on."""
    messages: list[str] = []
    token = _kept.set(messages)
    try:
        yield messages
    finally:
        _kept.reset(token)


def warn_user(message: str) -> None:
    """Warn at the first line outside dima and scikit-learn, whatever stands between it and the cause."""
    kept = _kept.get()
    if kept is not None:
        kept.append(message)
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
