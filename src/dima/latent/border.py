"""The border to JAX: NumPy arrays in, `jax.Array` out, for callers above that may not know JAX."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dima.errors import BackendError, SettingError, sentence
from dima.typing import Array

__all__ = ["DEVICES", "device", "to_jax"]

DEVICES = ("auto", "cpu", "gpu")


def device(name: str, owner: str = "DDPM") -> jax.Device:
    """The device asked for; a small prior is faster on the CPU, so "auto" stays there.

    Raises:
        SettingError: the name is none of "auto", "cpu" and "gpu".
        BackendError: "gpu" was asked for and JAX finds none.
    """
    if name not in DEVICES:
        raise SettingError(sentence(owner, "device", f"one of {', '.join(DEVICES)}", repr(name)))
    if name != "gpu":
        return jax.devices("cpu")[0]
    try:
        return jax.devices("gpu")[0]
    except RuntimeError:
        fix = 'Install JAX for your GPU (pip install "jax[cuda13]") or pass "cpu".'
        raise BackendError(
            f"{owner}: device must be one JAX finds; got 'gpu', which is not there. {fix}"
        ) from None


def to_jax(values: Array, name: str) -> Any:
    """The array as float32 on the device of that name."""
    return jax.device_put(jnp.asarray(np.asarray(values), jnp.float32), device(name))
