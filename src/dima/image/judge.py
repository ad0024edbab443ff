"""Two classifiers of 28x28 grey images that judge generated ones: by their features, and by their labels.

A set of images is compared with another in the features of a network that knows the subject. One network
has its own blind spots, so there are two of different structure, each trained on MNIST and on Fashion-MNIST
(`benchmarks/train_judges.py`); what both say can be believed. A judge is surer of the images it was trained
on than of new ones, which the distances see: compare with test images, and with the floor between the two.
`fit_classifier` trains one afresh, as for "train on synthetic, test on real".
"""

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dima import check
from dima.blocks import row_blocks
from dima.errors import ArtifactError, DataError, SettingError
from dima.files import read_plain_file
from dima.progress import StepRecord, track
from dima.store.arrays import unpack
from dima.typing import Array, ArrayLike, Arrays, Float32

__all__ = ["NETWORKS", "Judge", "Network", "fit_classifier", "load"]

_SIDE = 28
_BATCH = 128  # images of a training step
_SHIFT = 2  # pixels a training image is moved by at most
_BLOCK = 1000  # images that are judged at once
_RATE = {"lenet": 3e-3, "residual": 4e-3}  # of learning, at its peak
_DECAY = 0.05
_FOLDER = Path(__file__).with_name("judges")
_MOST_BYTES = 500_000

Weights = dict[str, Tensor]

# (network, data) -> SHA-256 of the file in judges/, as benchmarks/train_judges.py prints it
_SHA256 = {
    ("lenet", "mnist"): "32e6d6d75166f693c42ca864f5470a53bbd5c6e368e647c7b3ce87ae1b380ccd",
    ("lenet", "fashion-mnist"): "fe9df47df5d37f5205a2d4af2b593cab4306f3f0d330918507d409e76e127ed9",
    ("residual", "mnist"): "550ab6787d171d464859c99a9a95a54ee12b5346d869115870aab7d8c318bbe1",
    ("residual", "fashion-mnist"): "d8824e61c74f8f5666470a137a84c0d5c6dd7c6c3094d22478d2dc67a81886d4",
}


@dataclasses.dataclass(frozen=True)
class Network:
    """A network as a function of its weights.

    Attributes:
        shapes: of the weights below the last layer, by name, one for each bias too.
        n_features: width of what `features` gives.
        features: (weights, images (b, 1, 28, 28)) -> (b, n_features).
    """

    shapes: dict[str, tuple[int, ...]]
    n_features: int
    features: Callable[[Weights, Tensor], Tensor]


@dataclasses.dataclass(frozen=True)
class Judge:
    """A trained classifier of 28x28 grey images.

    Attributes:
        network: its structure, a name in `NETWORKS`.
        weights: its weights, by name.
    """

    network: str
    weights: Weights

    def features(self, images: ArrayLike) -> Float32:
        """What the last hidden layer says of images (n, 1, 28, 28) in [-1, 1]: (n, f) float32, f = 96.

        A row depends on its own image alone, up to rounding.

        Raises:
            ShapeError: images of another size or number of channels.
            DataError: numbers outside [-1, 1], NaN, or no images.
        """
        return self._judged(images, lambda features: features)

    def classify(self, images: ArrayLike) -> Array:
        """The likeliest label of images (n, 1, 28, 28) in [-1, 1]: (n,) int64; refuses as `features` does."""
        return self._judged(images, lambda features: _scores(self.weights, features).argmax(dim=1))

    def arrays(self) -> Arrays:
        """The weights as NumPy arrays, by name: what the shipped files hold."""
        return {name: np.ascontiguousarray(one.numpy()) for name, one in self.weights.items()}

    @torch.inference_mode()
    def _judged(self, images: ArrayLike, of_features: Callable[[Tensor], Tensor]) -> Array:
        checked, features = _checked("judge", images), NETWORKS[self.network].features
        blocks = (torch.from_numpy(checked[rows]) for rows in row_blocks(len(checked), _BLOCK))
        return torch.cat([of_features(features(self.weights, block)) for block in blocks]).numpy()


def load(name: str = "lenet", data: str = "mnist") -> Judge:
    """A judge that comes with dima.

    Args:
        name: "lenet" (5x5 convolutions and a hidden layer) or "residual" (3x3 convolutions and a mean).
        data: what it was trained on, "mnist" or "fashion-mnist".

    Raises:
        SettingError: there is no such judge.
        ArtifactError: its file is missing, damaged or another one.

    Example:
        >>> images = np.zeros((3, 1, 28, 28), np.float32)
        >>> load("lenet", "mnist").features(images).shape
        (3, 96)
    """
    if (name, data) not in _SHA256:
        known = ", ".join(" on ".join(one) for one in _SHA256)
        raise SettingError(f"judge: name and data must be one of {known}; got {name} on {data}.")
    path = _FOLDER / f"{name}-{data}.safetensors"
    stored = read_plain_file(path, _MOST_BYTES, f"judge: {path.name}", ArtifactError)
    found = hashlib.sha256(stored).hexdigest()
    if found != _SHA256[name, data]:
        rule = f"must have the SHA-256 {_SHA256[name, data][:8]}..."
        raise ArtifactError(f"judge: {path.name} {rule}; got {found[:8]}... Install dima again.")
    arrays = unpack(stored, path.name)
    return Judge(name, {key: torch.from_numpy(array).float() for key, array in arrays.items()})


def fit_classifier(
    images: ArrayLike, labels: ArrayLike, seed: int = 0, epochs: int = 10, network: str = "lenet"
) -> Judge:
    """Train a judge afresh: cross-entropy on images moved by up to 2 pixels, AdamW, one cycle of its rate.

    10,000 images take a lenet well under a minute on one core. The same arguments give the same judge on the
    same machine. Train it on generated images, ask it about real ones: its accuracy says what they taught.

    Args:
        images: (n, 1, 28, 28) in [-1, 1].
        labels: (n,) whole numbers from 0.
        seed: of the first weights, of the order and of the moves.
        epochs: passes over the images.
        network: "lenet" or "residual".

    Raises:
        ShapeError, DataError: images as in `Judge.features`, or labels that are none.
        SettingError: no such network, or no epoch.
    """
    if network not in NETWORKS:
        raise SettingError(f"fit_classifier: network must be one of {', '.join(NETWORKS)}; got {network!r}.")
    if epochs < 1:
        raise SettingError(f"fit_classifier: epochs must be at least 1; got {epochs}. Raise it.")
    checked = _checked("fit_classifier", images)
    kinds = torch.from_numpy(check.labels("fit_classifier", "labels", labels, len(checked)))
    random = torch.Generator().manual_seed(seed)
    weights = _first_weights(NETWORKS[network], int(kinds.max()) + 1, random)
    training = _epochs(network, weights, (torch.from_numpy(checked), kinds), epochs, random)
    for record in track(training, epochs, f"classifier ({network})", lambda record: record):
        if not math.isfinite(record.loss):
            raise DataError(f"fit_classifier: the loss must be finite; got {record.loss}. Check the images.")
    return Judge(network, {name: one.detach() for name, one in weights.items()})


def _epochs(
    network: str, weights: Weights, taught: tuple[Tensor, Tensor], epochs: int, random: torch.Generator
) -> Iterator[StepRecord]:
    """Train the weights in place, with a record an epoch."""
    images, labels = taught
    began, parameters = time.monotonic(), [one.requires_grad_() for one in weights.values()]
    optimiser = torch.optim.AdamW(parameters, lr=_RATE[network], weight_decay=_DECAY)
    n_steps = epochs * math.ceil(len(images) / _BATCH)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE[network], total_steps=n_steps + 1)
    for epoch in range(epochs):
        total, order = 0.0, torch.randperm(len(images), generator=random)
        for batch in row_blocks(len(images), _BATCH):
            rows = order[batch]
            moved = _moved(images[rows], random)
            scores = _scores(weights, NETWORKS[network].features(weights, moved))
            loss = functional.cross_entropy(scores, labels[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not say
            optimiser.step()
            cycle.step()
            total += loss.item() * len(rows)
        yield StepRecord(epoch + 1, total / len(images), time.monotonic() - began)


def _moved(images: Tensor, random: torch.Generator) -> Tensor:
    """Each image moved by up to `_SHIFT` pixels each way, black where it came from."""
    wide = functional.pad(images[:, 0], [_SHIFT] * 4, value=-1.0)
    first = torch.randint(2 * _SHIFT + 1, (2, len(images), 1), generator=random)
    down, across = first + torch.arange(_SIDE)
    which = torch.arange(len(images))[:, None, None]
    return wide[which, down[:, :, None], across[:, None, :]][:, None]


def _first_weights(network: Network, n_classes: int, random: torch.Generator) -> Weights:
    """He's normal weights; zero for biases and for what a residual block adds at first.

    Source: He, Zhang, Ren and Sun 2015, arXiv 1502.01852; Zhang, Dauphin and Ma 2019, arXiv 1901.09321.
    """
    last = {"head.weight": (n_classes, network.n_features), "head.bias": (n_classes,)}
    weights = {}
    for name, shape in {**network.shapes, **last}.items():
        drawn = torch.randn(shape, generator=random) * math.sqrt(2.0 / math.prod(shape[1:]))
        silent = name.endswith((".bias", ".second.weight"))
        weights[name] = torch.zeros(shape) if silent else drawn
    return weights


def _scores(weights: Weights, features: Tensor) -> Tensor:
    return functional.linear(features, weights["head.weight"], weights["head.bias"])


def _lenet(weights: Weights, x: Tensor) -> Tensor:
    """LeCun, Bottou, Bengio and Haffner 1998, with rectifiers, maxima for means, and other widths."""
    for layer in ("first", "second"):
        x = functional.max_pool2d(functional.relu(_convolved(weights, layer, x, padding=0)), 2)
    return functional.relu(functional.linear(x.flatten(1), weights["hidden.weight"], weights["hidden.bias"]))


def _residual(weights: Weights, x: Tensor) -> Tensor:
    """He, Zhang, Ren and Sun 2016, arXiv 1512.03385, at a seventh of the depth and without normalisation."""
    for level in ("fine", "middle"):
        x = functional.relu(_convolved(weights, f"{level}.down", x, stride=2))
        added = _convolved(weights, f"{level}.first", x)
        x = functional.relu(x + _convolved(weights, f"{level}.second", functional.relu(added)))
    return functional.relu(_convolved(weights, "coarse.down", x, stride=2)).mean(dim=(2, 3))


def _convolved(weights: Weights, layer: str, x: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
    return functional.conv2d(x, weights[f"{layer}.weight"], weights[f"{layer}.bias"], stride, padding)


def _shapes(layers: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Shapes of kernels (out, in, ...) and of the biases (out,) beside them."""
    weights = {f"{name}.weight": shape for name, shape in layers.items()}
    return weights | {f"{name}.bias": shape[:1] for name, shape in layers.items()}


def _checked(owner: str, images: ArrayLike) -> Float32:
    checked = check.array(owner, "images", images, ("n", 1, _SIDE, _SIDE))
    check.pixels(owner, "images", float(checked.min()), float(checked.max()))
    # Contiguous, and the caller's memory where it can be: torch only reads it.
    return np.require(checked, np.float32, ["C", "W"])


NETWORKS = {
    "lenet": Network(
        _shapes({"first": (16, 1, 5, 5), "second": (32, 16, 5, 5), "hidden": (96, 512)}), 96, _lenet
    ),
    "residual": Network(
        _shapes(
            {
                "fine.down": (24, 1, 3, 3),
                "fine.first": (24, 24, 3, 3),
                "fine.second": (24, 24, 3, 3),
                "middle.down": (48, 24, 3, 3),
                "middle.first": (48, 48, 3, 3),
                "middle.second": (48, 48, 3, 3),
                "coarse.down": (96, 48, 3, 3),
            }
        ),
        96,
        _residual,
    ),
}
