"""Learning a direct decoder from a teacher's pairs: one frozen `DirectFit`."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dima import check, training
from dima.blocks import row_blocks
from dima.errors import SettingError, ShapeError
from dima.image import checked, pixel
from dima.image import device as devices
from dima.image.contrast import contrast_of
from dima.image.diffusion_fit import DiffusionFit
from dima.image.direct.decoder import DirectDiffusion
from dima.image.direct.methods import LOSSES, METHODS, SEEN
from dima.image.direct.pairs import NOISE_ROW, Pairs, network_identity
from dima.image.run import by_epoch, run_of
from dima.image.train import Engine, Plan, State, from_named, named
from dima.metrics.reconstruction import error_over_variance
from dima.typing import Array, ArrayLike, Arrays, Float32, Float64

__all__ = ["DirectFit", "fit_direct"]

_log = logging.getLogger("dima")

_RECORDS = 10  # an epoch
_ROWS = 512  # images made at a time
_JUDGED = 2000  # held-out pairs of which the explained share is told
_MADE = 500  # of these, where the teacher has to make them
_SHOWN = 500  # pairs that are learnt from of which the contrast is told
_EDGE = 1e-6  # of pixels in [0, 1], whose logits are infinite at either end


@dataclasses.dataclass(frozen=True)
class DirectFit:
    """A direct decoder and the encoder of its teacher.

    Attributes:
        settings: those it was fitted with.
        teacher: settings of the teacher's network.
        image_shape: (c, h, w) of an image.
        network: parameters of encoder and (averaged, EMA) decoder and the units of pixels, by name.
        losses: (records, 2) training steps done and mean loss since the record before.
        r2: share of the variance of held-out images that follows from their noise, at most 1.
        teacher_identity: what tells the teacher's network from others; None in older saves.
        contrast: factors of the logits of pixels that are made in one pass, and in two.
    """

    settings: dict[str, Any]
    teacher: dict[str, Any]
    image_shape: tuple[int, int, int]
    network: Arrays
    losses: Float64
    r2: float
    teacher_identity: str | None = None
    contrast: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        """Read shape and factors back as they were, JSON knows no tuples."""
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        object.__setattr__(self, "contrast", tuple(self.contrast))

    def model(self) -> DirectDiffusion:
        """The network, on its device."""
        with torch.random.fork_rng(devices=[]):  # what is drawn at first is replaced
            blank = DiffusionFit(self.teacher, self.image_shape, {}, self.losses).blank()
            made = DirectDiffusion(blank, _blocks(self.settings))
        from_named(made, self.network)
        made.contrast = self.contrast
        place = devices.place(self.settings["device"])
        return made.eval().to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch says nothing

    @torch.no_grad()
    def decode(self, noise: Array, steps: int) -> Float32:
        """Images (b, c, h, w) of noise (b, c, h, w) in one pass, or in two."""
        model = self.model()
        blocks = [
            checked.from_array(noise[rows]).to(model.pixel_mean) for rows in row_blocks(len(noise), _ROWS)
        ]
        made = [model(block, steps=steps).cpu().numpy() for block in blocks]
        return np.concatenate(made) if made else np.empty((0, *self.image_shape), np.float32)

    def sample(self, n: int, steps: int, seed: int) -> Float32:
        """Images (n, c, h, w) of the noise of the seed, which is the teacher's too."""
        return self.decode(pixel.noise_of(seed, range(n), self.image_shape).numpy(), steps)


def fit_direct(
    settings_used: dict[str, Any],
    teacher: DiffusionFit,
    given: Pairs | ArrayLike,
    folder: str | Path | None = None,
    watch: Callable[[DirectFit, int], None] = lambda fit, epoch: None,
) -> DirectFit:
    """Distil the teacher of the pairs, or of the images (n, c, h, w), into one pass, in a run folder if any.

    `watch` is shown the decoder after every epoch, with the number of the epoch.

    Raises:
        SettingError: pairs where the method learns from images alone, or the other way around; pairs of
            another teacher, or not deterministic and `force` is not set.
        ArtifactError: pairs are missing.
        ShapeError: images of another size than the teacher's, or one image alone.
        DataError: a pixel lies outside [-1, 1].
    """
    _check_loss(settings_used["loss"], teacher.image_shape)
    method = METHODS[settings_used["method"]]
    place, message = devices.choose(settings_used["device"], "DirectModel")
    _log.info(message)
    data = _lessons(settings_used, teacher, given)
    images = data[-1]
    kept = min(len(images) - 1, max(1, round(settings_used["train_split"] * len(images))))
    noise_apart, images_apart = _apart(settings_used, teacher, [part[kept:][:_JUDGED] for part in data])
    mean, identity_of_teacher = images[:kept].mean(0).flatten().numpy(), network_identity(teacher.network)
    engine = _engine(settings_used, teacher, tuple(part.to(place) for part in data), kept)
    learnt = [part[: min(kept, _SHOWN)].numpy() for part in data]
    shown = learnt if method.is_of_pairs else [noise_apart, images_apart]

    def fit_of(state: State, history: Float64) -> DirectFit:
        network = named(method.direct(state.average))
        own = settings_used, teacher.settings, teacher.image_shape, network, history
        fit = DirectFit(*own, r2=0.0, teacher_identity=identity_of_teacher)
        if settings_used["contrast"]:
            fit = dataclasses.replace(fit, contrast=_contrast(fit, *shown))
        wanted, found = (x.reshape(len(x), -1) for x in (images_apart, fit.decode(noise_apart, 1)))
        lost = error_over_variance(wanted, found, mean)
        return dataclasses.replace(fit, r2=1 - lost)

    def show(state: State, history: Float64, epoch: int) -> None:
        watch(fit_of(state, history), epoch)

    # Which teacher it is, its images tell, or its pairs.
    of_teacher = {"noise": data[0][:1].numpy()} if method.is_of_pairs else {"teacher": images_apart}
    identity = {"images": images.numpy()} | of_teacher
    run = run_of("DirectModel", settings_used, identity, folder)
    trained = training.train(engine, dataclasses.replace(run, watch=by_epoch(engine, show)))
    return fit_of(trained.state, trained.history)


def _lessons(
    settings_used: dict[str, Any], teacher: DiffusionFit, given: Pairs | ArrayLike
) -> tuple[Tensor, ...]:
    """What is learnt from: (noise, images), or (images,), checked."""
    method, is_pairs = settings_used["method"], isinstance(given, Pairs)
    if is_pairs != METHODS[method].is_of_pairs:
        wanted, got = ("pairs", "images") if METHODS[method].is_of_pairs else ("images", "pairs")
        raise SettingError(
            f"DirectModel: method {method!r} must be given {wanted}; got {got}. Pass {wanted}."
        )
    if isinstance(given, Pairs):
        _check_pairs(settings_used, teacher, given)
        return given.noise(slice(None)), torch.from_numpy(given.images())
    images = check.array("DirectModel", "images", given, ("n", *teacher.image_shape))
    check.pixels("DirectModel", "pixels", float(images.min()), float(images.max()))
    if len(images) < 2:
        raise ShapeError("DirectModel: images must be at least 2; got 1. Pass those the teacher learnt from.")
    return (checked.from_array(images),)


def _contrast(fit: DirectFit, noise: Float32, images: Float32) -> tuple[float, float]:
    """The factors at which what one pass, and two, make of noise is as grey as the teacher's images."""
    real = torch.from_numpy((images + 1) / 2)
    of_one, of_two = (
        contrast_of(torch.logit(torch.from_numpy((fit.decode(noise, steps) + 1) / 2), _EDGE), real)
        for steps in (1, 2)
    )
    return of_one, of_two


def _apart(
    settings_used: dict[str, Any], teacher: DiffusionFit, held_out: list[Tensor]
) -> tuple[Float32, Float32]:
    """Noise and the teacher's images of it, of which the explained share is told: held out, or made here."""
    if len(held_out) == 2:
        return held_out[0].numpy(), held_out[1].numpy()
    n, seed = min(len(held_out[0]), _MADE), settings_used["seed"]
    noise = pixel.noise_of(seed, range(n), teacher.image_shape, NOISE_ROW).numpy()
    return noise, teacher.decode(None, noise)


def _engine(
    settings_used: dict[str, Any], teacher: DiffusionFit, data: tuple[Tensor, ...], kept: int
) -> Engine:
    plan = Plan.of(settings_used, kept, records=_RECORDS, clip=1.0)
    method, error = METHODS[settings_used["method"]], LOSSES[settings_used["loss"]]
    blocks = _blocks(settings_used)

    def build() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings_used["seed"])
            made = method.start(teacher.model(), blocks)
        return made.to(data[0].device)

    def loss(network: Any, batch: tuple[Tensor, ...], draws: torch.Generator) -> Tensor:
        return method.loss(network, batch, error, draws)

    learnt, held_out = (tuple(part[rows] for part in data) for rows in (slice(kept), slice(kept, None)))
    return Engine(plan, build, loss, learnt, held_out)


def _blocks(settings_used: dict[str, Any]) -> int:
    """Blocks at the bottleneck, as asked for or as the method has them."""
    asked, method = settings_used["bottleneck_blocks"], settings_used["method"]
    usual = METHODS[method].blocks
    if asked is None:
        return usual
    if asked and not usual:
        fix = "Leave it out."
        raise SettingError(f"DirectModel: bottleneck_blocks must be 0 for {method}; got {asked}. {fix}")
    return int(asked)


def _check_pairs(settings_used: dict[str, Any], teacher: DiffusionFit, pairs: Pairs) -> None:
    own = network_identity(teacher.network)
    if pairs.plan.teacher != own:
        fix = "Make pairs with this teacher."
        raise SettingError(f"DirectModel: pairs must be of teacher {own}; got {pairs.plan.teacher}. {fix}")
    if not pairs.plan.is_deterministic and not settings_used["force"]:
        why = "with fresh noise on the way an image does not follow from its noise"
        rule = f"of a deterministic solver, for {why}"
        fix = "Make pairs with ddim or dpmpp_2m, or pass force to see the mean image learnt."
        raise SettingError(f"DirectModel: pairs must be {rule}; got {pairs.plan.solver}. {fix}")


def _check_loss(loss: str, shape: tuple[int, int, int]) -> None:
    if loss == "features" and shape != SEEN:
        rule, fix = f"of images {SEEN}, which its classifiers see", "Choose mse."
        raise SettingError(f"DirectModel: loss 'features' must be {rule}; got images {shape}. {fix}")
