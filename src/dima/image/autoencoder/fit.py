"""What an autoencoder of images learns, and how it is trained and encodes: one frozen `AutoencoderFit`."""

import contextlib
import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 the name everybody knows
from torch import Tensor, nn

from dima import training
from dima.blocks import row_blocks
from dima.errors import ArtifactError
from dima.image import device as devices
from dima.image.autoencoder.coder import OWN_PIXELS, PIXELS, SUITED, Coder
from dima.image.autoencoder.contrast import raise_contrast
from dima.image.autoencoder.sharpen import sharpen
from dima.image.run import by_epoch, holding_out, run_of
from dima.image.train import Engine, Plan, State, named
from dima.typing import Arrays, Float32, Float64

__all__ = ["LOSSES", "AutoencoderFit", "fit_autoencoder"]

_log = logging.getLogger("dima")

# Each of logits and pixels in [0, 1], summed over the pixels of an image.
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": lambda logits, y: F.binary_cross_entropy_with_logits(logits, y, reduction="sum"),
    "mse": lambda logits, y: (logits.sigmoid() - y).square().sum(),
    "pseudo-huber": lambda logits, y: _pseudo_huber(logits.sigmoid() - y).sum(),
}
_HUBER = 0.1  # pixel error at which the loss turns from a square to a slope
_ROWS = 1024  # images encoded or decoded at a time


@dataclasses.dataclass(frozen=True)
class AutoencoderFit:
    """What training an autoencoder of images gives.

    Attributes:
        settings: those it was fitted with.
        image_shape: (c, h, w).
        network: the averaged (EMA) parameters, by name.
        losses: (records, 2) training steps done and mean loss since the record before.
        pixels: the network's convention of pixels, a name of `PIXELS`.
        contrast: by how much the logits were raised after training.
    """

    settings: dict[str, Any]
    image_shape: tuple[int, int, int]
    network: Arrays
    losses: Float64
    pixels: str = OWN_PIXELS
    contrast: float = 1.0

    def __post_init__(self) -> None:
        """Read the shape back as it was, JSON knows no tuples, and refuse an unknown convention."""
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        if self.pixels not in PIXELS:
            rule, got = f"one of {', '.join(PIXELS)}", repr(self.pixels)
            raise ArtifactError(f"ImageAutoencoder: pixels must be {rule}; got {got}. Upgrade dima.")

    def encode(self, images: Float32) -> Float32:
        """Codes (b, d) of images (b, c, h, w)."""
        return self._mapped(lambda coder, rows: coder.encode(rows), images)

    def decode(self, codes: Float32) -> Float32:
        """Images (b, c, h, w) of codes (b, d)."""
        return self._mapped(lambda coder, rows: coder.decode(rows), codes)

    @torch.no_grad()
    def _mapped(self, work: Callable[[Coder, Tensor], Tensor], values: Float32) -> Float32:
        place = devices.place(self.settings["device"])
        model, latent_dim = self.settings["model"], self.settings["latent_dim"]
        coder = Coder.of(self.network, model, self.image_shape, latent_dim, self.pixels).eval().to(place)
        blocks = [
            torch.from_numpy(np.array(values[rows], np.float32)) for rows in row_blocks(len(values), _ROWS)
        ]
        is_half = self.settings["precision"] == "bfloat16"  # "auto" is of training: codes follow no clock
        with torch.autocast(place.type, torch.bfloat16) if is_half else contextlib.nullcontext():
            parts = [work(coder, block.to(place)).float().cpu().numpy() for block in blocks]
        return np.concatenate(parts)


def fit_autoencoder(
    settings_used: dict[str, Any],
    images: Float32,
    folder: str | Path | None = None,
    watch: Callable[[AutoencoderFit, int], None] = lambda fit, epoch: None,
) -> AutoencoderFit:
    """Train on checked images (n, c, h, w) in [-1, 1], in a run folder if one is given.

    What the settings leave open is what suits the network. `watch` is shown the network after every
    epoch, with the number of the epoch.
    """
    given = {name: value for name, value in settings_used.items() if value is not None}
    whole = settings_used | SUITED[settings_used["model"]] | given
    place, message = devices.choose(settings_used["device"], "ImageAutoencoder")
    _log.info(message)
    shape = images.shape[1:]
    engine = _engine(whole, images, place)

    def fit_of(state: State, history: Float64) -> AutoencoderFit:
        return AutoencoderFit(settings_used, shape, named(state.average), history)

    def show(state: State, history: Float64, epoch: int) -> None:
        watch(fit_of(state, history), epoch)

    run = run_of("ImageAutoencoder", whole, {"images": images}, folder)
    trained = training.train(engine, dataclasses.replace(run, watch=by_epoch(engine, show)))
    coder, data = trained.state.average, engine.data[0]
    if settings_used["sharpen"]:
        folder = None if folder is None else Path(folder) / "sharpen"
        coder = sharpen(coder, data, settings_used["seed"], dataclasses.replace(run, folder=folder))
    contrast = raise_contrast(coder, data) if settings_used["contrast"] else 1.0
    return AutoencoderFit(settings_used, shape, named(coder), trained.history, contrast=contrast)


def _engine(settings_used: dict[str, Any], images: Float32, place: torch.device) -> Engine:
    shape = images.shape[1:]
    plan = Plan.of(settings_used, len(images))
    noise, error = settings_used["code_noise"], LOSSES[settings_used["loss"]]

    def build() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings_used["seed"])
            return Coder(settings_used["model"], shape, settings_used["latent_dim"]).to(place)

    def loss(coder: Any, batch: tuple[Tensor, ...], draws: torch.Generator) -> Tensor:
        (rows,) = batch
        codes = coder.encode(rows)
        codes = codes + noise * torch.randn(codes.shape, generator=draws).to(codes)
        logits = coder.network.decode(codes)
        return error(logits.float(), (rows + 1) / 2) / len(rows)

    data = torch.from_numpy(np.ascontiguousarray(images, np.float32)).to(place)
    return holding_out(Engine(plan, build, loss, (data,)), settings_used["patience"])


def _pseudo_huber(error: Tensor) -> Tensor:
    return _HUBER**2 * ((1 + (error / _HUBER).square()).sqrt() - 1)
