"""What the classes of toy diffusion refuse at their door: keys, parts, points, steps and parameters."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dima.errors import DataTypeError, SettingError, ShapeError

__all__ = ["check_params", "check_part", "check_rows", "check_steps", "check_widths", "key_of", "numbers"]

_LARGEST_KEY = 2**63  # of what JAX makes a key of


def key_of(owner: str, key: Any) -> jax.Array:
    """A JAX key, itself or of a whole number; SettingError for anything else."""
    if isinstance(key, int | np.integer) and not isinstance(key, bool) and abs(int(key)) < _LARGEST_KEY:
        return jax.random.key(int(key))
    dtype, shape = getattr(key, "dtype", None), np.shape(key)
    is_new = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key) and shape == ()
    if is_new or (dtype == np.uint32 and shape == (2,)):
        return jnp.asarray(key)
    got = repr(key) if isinstance(key, str | int | float | None) else type(key).__name__
    fix = "Pass 0, or jax.random.key(0)."
    raise SettingError(f"{owner}: key must be a JAX key or a whole number; got {got}. {fix}")


def check_part(owner: str, name: str, part: Any, needed: str) -> None:
    """Refuse, with SettingError, what lacks the one thing that is `needed` of an argument."""
    if not hasattr(part, needed):
        fix = "Check the order of the arguments."
        raise SettingError(f"{owner}: {name} must have {needed!r}; got {type(part).__name__}. {fix}")


def check_widths(owner: str, model: Any) -> None:
    """Refuse, with SettingError, a model that does not answer as many coordinates as it takes."""
    check_part(owner, "model", model, "forward")
    if model.output_dim != model.input_dim:
        rule = f"output_dim must be input_dim = {model.input_dim}, as it is the noise"
        raise SettingError(f"{owner}: the model's {rule}; got {model.output_dim}.")


def check_params(owner: str, params: Any, shape: tuple[int, int]) -> None:
    """Refuse, with SettingError, parameters whose first weights have another shape."""
    found = np.shape(params["w0"]) if isinstance(params, dict) and "w0" in params else None
    if found != shape:
        got = type(params).__name__ if found is None else f"first weights of shape {found}, not {shape}"
        fix = "Pass what init_params or train gave."
        raise SettingError(f"{owner}: params must be those of this model; got {got}. {fix}")


def numbers(owner: str, name: str, values: Any) -> jax.Array:
    """The values in JAX; DataTypeError where they are no numbers."""
    try:
        if not isinstance(values, str):  # JAX takes a word for the name of a dtype
            return jnp.asarray(values)
    except (TypeError, ValueError):
        pass
    raise DataTypeError(f"{owner}: {name} must be an array of numbers; got {type(values).__name__}.")


def check_rows(owner: str, name: str, values: jax.Array, width: int | None = None) -> None:
    """Refuse, with ShapeError, what has not two axes, the second of this width."""
    if values.ndim != 2 or width not in (None, values.shape[1]):
        rule = f"shape (b, {'d' if width is None else width})"
        raise ShapeError(f"{owner}: {name} must have {rule}; got shape {values.shape}.")


def check_steps(owner: str, t: jax.Array, b: int, T: int | None = None) -> None:
    """Refuse steps that are not one or `b`, with ShapeError, and not whole in 0..T - 1, with SettingError."""
    if t.shape not in ((), (b,)):
        raise ShapeError(f"{owner}: t must be one step or {b}, one a row; got shape {t.shape}.")
    if T is None:
        return
    if not jnp.issubdtype(t.dtype, jnp.integer):
        raise SettingError(f"{owner}: t must be whole numbers; got dtype {t.dtype}.")
    is_seen = t.size > 0 and not isinstance(t, jax.core.Tracer)
    if is_seen and (t.min() < 0 or t.max() >= T):
        got = f"{t.min()} to {t.max()}"
        raise SettingError(f"{owner}: t must be in 0..{T - 1}; got {got}. Steps count from 0.")
