"""The border to JAX: NumPy arrays in, `jax.Array` out, for callers above that may not know JAX."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from msgspec import Meta

from dima.errors import ArtifactError, BackendError
from dima.settings import OneOf
from dima.typing import Array, Arrays

__all__ = ["DEVICES", "Device", "device", "from_named", "named", "opened", "to_jax"]

T = TypeVar("T")  # a tree of arrays

DEVICES = ("auto", "cpu", "gpu")
Device = Annotated[str, OneOf(*DEVICES), Meta(description="where it trains; auto is the CPU")]


def device(name: str, owner: str = "DDPM") -> jax.Device:
    """The device asked for; a small prior is faster on the CPU, so "auto" stays there.

    Raises:
        BackendError: the device is unknown, or JAX finds none of the kind.
    """
    if name not in DEVICES:
        raise BackendError(f"{owner}: device must be one of {', '.join(DEVICES)}; got {name!r}.")
    if name != "gpu":
        return jax.devices("cpu")[0]
    try:
        return jax.devices("gpu")[0]
    except RuntimeError:
        fix = 'Install JAX for your GPU (pip install "jax[cuda13]") or pass "cpu".'
        message = f"{owner}: device must be one JAX finds; got 'gpu', which is not there. {fix}"
        raise BackendError(message) from None


def to_jax(values: Array, name: str) -> Any:
    """The array as float32 on the device of that name."""
    return jax.device_put(jnp.asarray(np.asarray(values), jnp.float32), device(name))


def opened(network: Mapping[str, Any]) -> dict[str, jax.Array]:
    """The arrays of a saved network, by name; on the CPU, unless they are moved."""
    with jax.default_device(device("auto")):
        return {name: jnp.asarray(array) for name, array in network.items()}


def named(tree: Any) -> Arrays:
    """The arrays of a tree by their place in it: "parameters/in/w"."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {_name(path): np.asarray(leaf) for path, leaf in leaves}


def from_named(like: T, arrays: Arrays) -> T:
    """The tree shaped like another whose arrays `named` gave.

    Raises:
        ArtifactError: an array is missing, one too many, or of another shape.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    shapes = {_name(path): np.shape(leaf) for path, leaf in leaves}
    if {name: array.shape for name, array in arrays.items()} != shapes:
        fix = "Start anew in another folder."
        raise ArtifactError(
            f"training: the checkpoint must hold the arrays of this network; got others. {fix}"
        )
    return jax.tree_util.tree_unflatten(structure, [jnp.asarray(arrays[name]) for name in shapes])


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
