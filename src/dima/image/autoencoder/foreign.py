"""Autoencoders of others: a torch checkpoint with args.model and a state dict becomes one of `NETWORKS`.

Layers are matched by their order and shapes, the encoder's first: names differ from one project to the next.

A state dict does not tell all: ReLU between all layers (of `conv` behind the decoder's linear layer too) and
nearest interpolation are taken for granted.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from dima import check
from dima.errors import DimaError
from dima.image.autoencoder.checkpoint import read_checkpoint, refusal
from dima.image.autoencoder.coder import NETWORKS, PIXELS, Coder
from dima.store.decode import quoted
from dima.typing import Array, Arrays

__all__ = ["IMAGE_SHAPE", "Foreign", "pixels_of", "read"]

IMAGE_SHAPE = (1, 28, 28)
_HIDDEN = "relu"  # args.activation may mean the hidden layers, and this is what they have
_SAME_AS_LINEAR = ("none", "identity")
_IS_SIGNED = {(0.0, 1.0): False, (-1.0, 1.0): True}
_EPS = 1e-5  # of the codes' batch norm: with 1 - eps as variance it divides by exactly 1


@dataclasses.dataclass(frozen=True)
class Foreign:
    """What a checkpoint holds, under our names.

    Attributes:
        model: a name of `NETWORKS`.
        latent_dim: numbers in a code.
        pixels: a name of `PIXELS`.
        network: the arrays of its `Coder`, whose norm changes no code.
    """

    model: str
    latent_dim: int
    pixels: str
    network: Arrays


def read(
    data: bytes, name: str, output: str | None = None, pixel_range: Sequence[float] | None = None
) -> Foreign:
    """The autoencoder in the bytes of a checkpoint called `name`.

    Raises:
        ArtifactError: it is no torch file, asks for classes, is damaged, or holds something else than a
            `mlp` or `conv` of the published shapes.
    """
    args, state = read_checkpoint(data, name)
    model = args["model"]
    if model not in [*NETWORKS]:
        rule = f"of args.model {' or '.join(map(repr, NETWORKS))}"
        raise refusal(name, rule, _shown(model), "Other networks have no place here.")
    pixels = pixels_of(args, name, output, pixel_range)
    latent_dim, arrays = _matched(state, name, model)
    norm = {
        "norm.running_mean": np.zeros(latent_dim, np.float32),
        "norm.running_var": np.full(latent_dim, 1 - _EPS, np.float32),
        "norm.num_batches_tracked": np.array(0),
    }
    return Foreign(model, latent_dim, pixels, arrays | norm)


def pixels_of(
    args: Mapping[str, Any], name: str, output: str | None, pixel_range: Sequence[float] | None
) -> str:
    """The name in `PIXELS`: what is passed counts before what args say, and that before sigmoid of [0, 1].

    Raises:
        ArtifactError: an output or a range is unknown, or the two contradict each other.
    """
    fix = "Pass output= and pixel_range=."
    outputs = [*dict.fromkeys(key.removeprefix("signed-") for key in PIXELS)]
    activation = _word(args.get("activation"))
    if activation not in [None, _HIDDEN, *outputs]:
        rule, why = f"of {_HIDDEN} in its hidden layers", "Networks with another have no place here."
        raise refusal(name, rule, _shown(activation), why)
    said = (output, args.get("output"), None if activation == _HIDDEN else activation, "sigmoid")
    plain = _word(next(value for value in said if value is not None))
    if plain not in outputs:
        raise refusal(name, f"of an output among {', '.join(outputs)}", _shown(plain), fix)
    said_range = args.get("pixel_range") if pixel_range is None else pixel_range
    is_signed = plain == "tanh" if said_range is None else _IS_SIGNED.get(_numbers(said_range))
    if is_signed is None:
        raise refusal(name, "of pixels in [0, 1] or [-1, 1]", _shown(said_range), fix)
    pixels = f"signed-{plain}" if is_signed else plain
    if pixels not in PIXELS:
        raise refusal(name, "of an output that reaches its pixels", f"{plain} with pixels in [0, 1]", fix)
    return pixels


def _matched(state: Arrays, name: str, model: str) -> tuple[int, Arrays]:
    """Latent dimension and arrays under our names, each held to the shape it has in our network."""
    found = _in_order(state)
    rows = [array.shape[0] for array in found.values() if array.ndim > 1][:4]  # of the encoder's layers
    if len(rows) < 4 or 0 in rows:
        fix = "It is not the network that args.model names."
        raise refusal(name, f"a {model} of at least 4 layers", f"{len(rows)} in {_shown(list(found))}", fix)
    widths = None if model == "mlp" else tuple(rows[:3])
    with torch.device("meta"):  # shapes alone: strange widths would not fit into memory
        own = Coder(model, IMAGE_SHAPE, rows[3], widths=widths).network.state_dict()
    arrays: Arrays = {}
    theirs = [*found.items(), *[("nothing", None)] * (len(own) - len(found))]
    ours = [*own.items(), *[("", None)] * (len(found) - len(own))]
    for (key, array), (our_key, tensor) in zip(theirs, ours, strict=True):
        shape = None if array is None else array.shape
        expected = None if tensor is None else tuple(tensor.shape)
        if array is None or shape != expected:
            rule = f"a {model} of the published shapes, {expected or 'nothing'} here"
            fix = "It is not the network that args.model names."
            raise refusal(name, rule, key if array is None else f"{quoted(key)} of shape {shape}", fix)
        arrays[f"network.{our_key}"] = _finite(array, name, key)
    return rows[3], arrays


def _in_order(state: Arrays) -> Arrays:
    """The encoder's arrays before the decoder's, each layer's weight before its bias, else as they stand."""
    layers = list(dict.fromkeys(key.rpartition(".")[0] for key in state))

    def place(key: str) -> tuple[bool, int, bool]:
        layer, _, kind = key.rpartition(".")
        is_decoder = any(part.startswith("dec") for part in key.split("."))
        return is_decoder, layers.index(layer), kind != "weight"

    return {key: state[key] for key in sorted(state, key=place)}


def _finite(array: Array, name: str, key: str) -> Array:
    try:
        return check.array("convert", quoted(key), array, array.shape)
    except DimaError as fault:
        raise refusal(name, "a network of finite numbers", str(fault), "Train it again.") from None


def _numbers(said: Any) -> Any:
    """(low, high) of a range, also of one written as text: "[0, 1]", "-1,1"."""
    parts = re.split(r"[,\s]+", said.strip("[]() ")) if isinstance(said, str) else said
    try:
        return tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        return None


def _word(value: Any) -> Any:
    word = value.lower() if isinstance(value, str) else value
    return "linear" if word in _SAME_AS_LINEAR else word


def _shown(value: Any) -> str:
    return quoted(value if isinstance(value, str) else str(value))
