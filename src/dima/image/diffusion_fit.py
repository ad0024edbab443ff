"""What training a `DiffusionModel` gives, and how it is trained: one frozen `DiffusionFit`."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dima import training
from dima.blocks import row_blocks
from dima.image import device as devices
from dima.image import pixel
from dima.image.checked import from_array
from dima.image.diffusion_model import UNCONDITIONED, DiffusionModel
from dima.image.run import by_epoch, holding_out, run_of
from dima.image.train import Engine, Plan, State, from_named, named
from dima.scaling import Standardizer
from dima.typing import Array, Arrays, Float32, Float64

__all__ = ["DiffusionFit", "fit_diffusion"]

_log = logging.getLogger("dima")

_RECORDS = 10  # an epoch
_ROWS = 1024  # images encoded at a time
# Settings of the training, and of the network, where they name no latent.
_UNCONDITIONED: dict[str, Any] = {**UNCONDITIONED, "latent_noise": 0.0, "drop": 0.0}


@dataclasses.dataclass(frozen=True)
class DiffusionFit:
    """A trained `DiffusionModel`.

    Attributes:
        settings: those it was fitted with.
        image_shape: (c, h, w).
        network: the averaged (EMA) parameters and the units of pixels and latents, by name.
        losses: (records, 2) training steps done and mean loss since the record before.
    """

    settings: dict[str, Any]
    image_shape: tuple[int, int, int]
    network: Arrays
    losses: Float64

    def __post_init__(self) -> None:
        """Read the shape back as it was: JSON knows no tuples."""
        object.__setattr__(self, "image_shape", tuple(self.image_shape))

    def model(self) -> DiffusionModel:
        """The network, on its device."""
        made = self.blank()
        from_named(made, self.network)
        place = devices.place(self.settings["device"])
        return made.eval().to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch says nothing

    def blank(self) -> DiffusionModel:
        """A network of its form, as it was before training."""
        return _network(self.settings, self.image_shape)

    def encode(self, images: Array) -> Float32:
        """Codes (b, d) of images (b, c, h, w), by the encoder that was trained with the network."""
        model = self.model()
        return np.concatenate(
            [_array(model.encode(from_array(images[at]))) for at in row_blocks(len(images), _ROWS)]
        )

    def decode(self, codes: Array | None, noise: Array | None) -> Float32:
        """Images (b, c, h, w) of codes (b, d) and noise (b, c, h, w); codes alone take noise of the seed."""
        if noise is not None:
            return _array(self.model().decode(_codes(codes), from_array(noise)))
        assert codes is not None, "codes or noise"
        steps, seed = self.settings["steps"], self.settings["seed"]
        return _array(
            self.model().sample(len(codes), from_array(codes), steps=steps, solver="dpmpp_2m", seed=seed)
        )

    def encode_noise(self, images: Array, codes: Array | None) -> Float32:
        """The noise (b, c, h, w) of images under codes."""
        return _array(self.model().encode_noise(from_array(images), _codes(codes)))

    def noise_arcs(self, start: Array, end: Array, steps: int) -> Float32:
        """Noise (b, steps, c, h, w) on arcs from one noise (b, c, h, w) to another."""
        a, b = from_array(start), from_array(end)
        return _array(
            torch.stack([pixel.slerp(a, b, share) for share in np.linspace(0, 1, steps).tolist()], 1)
        )

    def renoise(self, images: Array, codes: Array, diffusion_time: float, seed: int) -> Float32:
        """Images (b, c, h, w) noised to a time and denoised under codes."""
        model, shape = self.model(), self.image_shape
        noise = pixel.noise_of(seed, range(len(images)), shape)
        noisy, _ = model.add_noise(from_array(images), diffusion_time, noise.to(model.pixel_mean))
        return _array(model.denoise_with_latent(noisy, from_array(codes), diffusion_time))

    def sample(self, n: int, steps: int, seed: int, solver: str = "dpmpp_2m") -> Float32:
        """Images (n, c, h, w) without condition."""
        return _array(self.model().sample(n, steps=steps, solver=solver, seed=seed))

    def condition_used(self, images: Array, codes: Array, seed: int) -> float:
        """Loss under shifted codes over loss under their own."""
        return self.model().condition_used(from_array(images), from_array(codes), seed)


def fit_diffusion(
    settings_used: dict[str, Any],
    images: Float32,
    latents: Array | None = None,
    folder: str | Path | None = None,
    watch: Callable[[DiffusionFit, int], None] = lambda fit, epoch: None,
) -> DiffusionFit:
    """Train on checked images (n, c, h, w) in [-1, 1], in a run folder if one is given.

    Args:
        settings_used: of the network (`DiffusionModel`) and of the training.
        images: images.
        latents: (n, d) under which they are denoised; without, an encoder is trained with the network,
            or, where the settings name no latent, there is no condition.
        folder: run folder.
        watch: is shown the model after every epoch, with the number of the epoch.
    """
    place, message = devices.choose(settings_used["device"], "DiffusionModel")
    _log.info(message)
    shape = images.shape[1:]
    engine = _engine(settings_used, images, latents, place)

    def fit_of(state: State, history: Float64) -> DiffusionFit:
        return DiffusionFit(settings_used, shape, named(state.average), history)

    def show(state: State, history: Float64, epoch: int) -> None:
        watch(fit_of(state, history), epoch)

    data = {"images": images} if latents is None else {"images": images, "latents": latents}
    run = run_of("DiffusionModel", settings_used, data, folder)
    trained = training.train(engine, dataclasses.replace(run, watch=by_epoch(engine, show)))
    return fit_of(trained.state, trained.history)


def _engine(
    settings_used: dict[str, Any], images: Float32, latents: Array | None, place: torch.device
) -> Engine:
    plan = Plan.of(settings_used, len(images), records=_RECORDS, clip=1.0)
    noise, drop = ((_UNCONDITIONED | settings_used)[name] for name in ("latent_noise", "drop"))
    scale = None if latents is None else Standardizer.of(latents)

    def build() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings_used["seed"])
            network = _network(settings_used, images.shape[1:])
        network.pixel_mean.fill_(float(images.mean(dtype=np.float64)))
        network.pixel_spread.fill_(float(images.std(dtype=np.float64)) or 1.0)
        if scale is not None:
            network.latent_mean.copy_(torch.from_numpy(scale.center))
            network.latent_spread.copy_(torch.from_numpy(scale.unit))
        return network.to(place)

    def loss(network: Any, batch: tuple[Tensor, ...], draws: torch.Generator) -> Tensor:
        rows, *given = batch
        x0, n = network.standard(rows), len(rows)
        code, keep = None, None
        if network.latent_dim:
            code = network.code(*given) if given else network.encoder(x0)
            code = code + noise * torch.randn(code.shape, generator=draws).to(code)
            keep = (torch.rand(n, generator=draws) >= drop).to(code)
        level = pixel.drawn_levels(network.path, n, draws).to(x0)
        added = torch.randn(x0.shape, generator=draws).to(x0)
        return pixel.error(lambda x, own: network.unet(x, own, code, keep), x0, level, added).mean()

    data = tuple(
        torch.from_numpy(np.ascontiguousarray(part, np.float32)).to(place)
        for part in (images, latents)
        if part is not None
    )
    return holding_out(Engine(plan, build, loss, data), settings_used["patience"])


def _network(settings_used: dict[str, Any], shape: tuple[int, ...]) -> DiffusionModel:
    used = _UNCONDITIONED | settings_used
    made = {name: used[name] for name in DiffusionModel.settings_names()}
    return DiffusionModel(**made, image_shape=shape)  # type: ignore[arg-type]  # (c, h, w)


def _codes(codes: Array | None) -> Tensor | None:
    return None if codes is None else from_array(codes)


def _array(tensor: Tensor) -> Float32:
    array: Float32 = tensor.cpu().numpy()
    return array
