"""`DirectModel`: images from noise in one pass, distilled from a `PixelDiffusion`."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from msgspec import Meta
from sklearn.base import BaseEstimator

from dima import check, settings
from dima.errors import SettingError
from dima.fitted import Fitted, FittedEstimator
from dima.image import device as devices
from dima.image.direct import DirectDiffusion
from dima.image.direct.distil import DirectFit, fit_direct
from dima.image.direct.features import away, features_at, toward
from dima.image.direct.methods import LOSSES, METHODS
from dima.image.direct.pairs import (
    NOISE_ROW,
    Pairs,
    PairsPlan,
    make_pairs,
    network_identity,
    open_pairs,
    walker,
)
from dima.image.hooks import Hook
from dima.image.hooks.leverage import leverage, with_donors
from dima.model.pixel_autoencoder import (
    BatchSize,
    Device,
    EmaDecay,
    Epochs,
    Precision,
    Seed,
    trained_facts,
)
from dima.model.pixel_diffusion import PixelDiffusion
from dima.noise import sampling
from dima.settings import OneOf
from dima.typing import ArrayLike, Float32, Float64

__all__ = ["DirectModel", "pairs_of"]

Passes = Annotated[int, Meta(ge=1, le=2, description="passes: one, or two with a second look of the teacher")]


class DirectModel(FittedEstimator, BaseEstimator):  # type: ignore[misc]  # untyped base
    """One pass through a teacher's frozen encoder and a decoder of its own, instead of a walk.

    With method="reflow" the encoder learns too: the whole teacher is trained further on the pairs. With
    method="consistency" it is trained further on images alone, and no pairs are made.

    Example:
        >>> import tempfile
        >>> from dima import PixelDiffusion
        >>> from dima.data.images import load
        >>> teacher = PixelDiffusion(widths=(8, 16), epochs=1).fit(load("fashion-mnist-1000").images[:256])
        >>> pairs = pairs_of(teacher, 64, tempfile.mkdtemp(), steps=4)
        >>> model = DirectModel(epochs=1, batch_size=16).fit(teacher, pairs)
        >>> model.sample(2).shape, model.r2_ <= 1
        ((2, 1, 28, 28), True)
    """

    Fit = DirectFit
    fit_: DirectFit

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        *,
        method: Annotated[
            str,
            OneOf(*METHODS),
            Meta(
                description="train a decoder alone, or the whole teacher: to go straight, or on images alone"
            ),
        ] = "decoder",
        bottleneck_blocks: Annotated[
            int, Meta(ge=0, description="residual blocks of a decoder before its way up, 2 if not given")
        ]
        | None = None,
        loss: Annotated[
            str, OneOf(*LOSSES), Meta(description="error of pixels, and in features of what classifiers see")
        ] = "mse",
        epochs: Epochs = 50,
        batch_size: BatchSize = 128,
        learning_rate: Annotated[float, Meta(gt=0, description="peak step size of AdamW")] = 1e-3,
        train_split: Annotated[
            float, Meta(gt=0, lt=1, description="share of the pairs that is learnt from")
        ] = 0.9,
        ema_decay: EmaDecay = 0.999,
        patience: Annotated[
            int, Meta(ge=1, description="stop when held-out pairs are no better for so many records")
        ]
        | None = None,
        contrast: Annotated[
            bool, Meta(description="raise the contrast until images are no greyer than the teacher's")
        ] = True,
        force: Annotated[bool, Meta(description="learn from ancestral pairs too: the mean image")] = False,
        precision: Precision = "float32",
        device: Device = "auto",
        seed: Seed = 0,
    ) -> None:
        self._store(locals())

    def fit(
        self,
        teacher: PixelDiffusion,
        pairs: Pairs | str | Path | ArrayLike,
        checkpoint: str | Path | None = None,
        watch: "Callable[[DirectModel, int], None] | None" = None,
    ) -> Self:
        """Learn the map from noise to the teacher's images.

        Args:
            teacher: fitted.
            pairs: of that teacher, or their folder; for method="consistency" images (n, c, h, w) in [-1, 1]
                such as the teacher learnt from.
            checkpoint: run folder that is kept up to date while training, and gone on from where it holds
                a run: one that was killed and is resumed gives the numbers of one that was not.
            watch: is shown the model so far and the number of the epoch, after each.

        Raises:
            SettingError: a setting is out of range, the pairs are of another teacher, or of an ancestral
                solver without `force`; images are given where pairs are learnt from, or pairs where not.
            ArtifactError: pairs are missing.
            ShapeError: images of another size than the teacher's, or one image alone.
            DataError: a pixel lies outside [-1, 1].
            BackendError: the device is not there.
            NumericsError: the loss became infinite.
        """
        used = settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        taught = check.fitted(_teacher(type(self).__name__, teacher))
        found = open_pairs(pairs) if isinstance(pairs, str | Path) else pairs
        self.n_features_in_ = teacher.n_features_in_

        self.fit_ = fit_direct(used, taught, found, checkpoint, self._shown_to(watch))
        return self

    def decode(self, noise: ArrayLike, steps: Passes = 1) -> Float32:
        """Images (b, c, h, w) in [-1, 1] of noise (b, c, h, w).

        Raises:
            NotFittedError: before `fit`.
            ShapeError: noise of another size.
            SettingError: steps is neither 1 nor 2.
        """
        fit: DirectFit = check.fitted(self)
        given = check.array(type(self).__name__, "noise", noise, ("b", *fit.image_shape))
        checked = settings.check("DirectModel.decode", DirectModel.decode, {"steps": steps})
        return fit.decode(given, checked["steps"])

    def sample(self, n: sampling.Count, steps: Passes = 1, seed: sampling.Seed = 0) -> Float32:
        """`n` images (n, c, h, w), of the noise from which samples of the teacher with that seed start.

        It is other noise than that of pairs, so that nothing drawn was learnt from.

        Raises:
            NotFittedError: before `fit`.
            SettingError: an argument is out of range.
        """
        fit: DirectFit = check.fitted(self)
        asked = {"n": n, "steps": steps, "seed": seed}
        return fit.sample(**settings.check("DirectModel.sample", DirectModel.sample, asked))

    def features(self, images: ArrayLike) -> Float32:
        """Features (b, c', h', w') of images (b, c, h, w) at the bottleneck, by the noise they come from.

        That noise is found by the walk back of the U-Net whose way down the encoder is.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: images of another size.
            DataError: a pixel lies outside [-1, 1].
        """
        return features_at(self.network(), self._images(images))["mid"].cpu().numpy()

    def toward(self, images: ArrayLike, strength: float = 0.5, site: str = "mid") -> dict[str, Hook]:
        """Hooks for `network().hooks`, or a recipe: features go toward the mean of those of images.

        Args:
            images: (b, c, h, w) in [-1, 1], of the training, say.
            strength: share of the way, 0 to 1.
            site: where, as in "mid" or "mid + skips".

        Raises:
            SettingError: there is no such site, or the strength is outside [0, 1].
            NotFittedError, ShapeError, DataError: as `features`.
        """
        return toward(self.network(), self._images(images), strength, site)

    def away(self, images: ArrayLike, strength: float = 0.5, site: str = "mid") -> dict[str, Hook]:
        """The like of `toward`: features turn from what those of images have beyond those of any noise."""
        return away(self.network(), self._images(images), strength, site)

    def leverage(
        self, sites: str | Sequence[str] | None = None, n: sampling.Count = 36, seed: sampling.Seed = 0
    ) -> dict[str, float]:
        """How far an image goes to another's, 0 to 1, when the features of that one's pass are put at a site.

        Args:
            sites: "mid", "mid + skips" or several such; every site, all skips and both of these if not given.
            n: images, each with another one.
            seed: of their noise.

        Raises:
            NotFittedError: before `fit`.
            SettingError: there is no such site, or an argument is out of range.
            DataError: n is 0.
        """
        asked = settings.check("DirectModel.leverage", DirectModel.leverage, {"n": n, "seed": seed})
        network = self.network()
        return leverage(network, *with_donors(network, **asked), sites)

    def network(self) -> DirectDiffusion:
        """The network in torch: hooks, features, gradients."""
        return check.fitted(self).model()

    def to_device(self, device: str) -> Self:
        """Run it on "cuda", "mps" or "cpu"; "auto" is the best there is.

        Raises:
            BackendError: there is no such device.
        """
        fit: DirectFit = check.fitted(self)
        devices.choose(device, type(self).__name__)
        self.fit_ = dataclasses.replace(fit, settings=fit.settings | {"device": device})
        self.set_params(device=device)
        return self

    losses_ = Fitted[Float64](
        lambda fit: fit.losses, "(records, 2) training steps done and mean loss since the record before."
    )
    r2_ = Fitted[float](
        lambda fit: fit.r2, "Share of the variance of held-out images that follows from their noise."
    )

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted model."""
        fit: DirectFit = check.fitted(self)
        return trained_facts(fit, "decoder") | {"map_r2": fit.r2, "contrast": fit.contrast[0]}

    def _images(self, images: ArrayLike) -> Float32:
        shape = check.fitted(self).image_shape
        return check.array(type(self).__name__, "images", images, ("b", *shape))


def pairs_of(  # noqa: PLR0913 what pairs depend on
    teacher: PixelDiffusion,
    n: int,
    folder: str | Path,
    *,
    solver: sampling.Solver = "dpmpp_2m",
    steps: int = 16,
    seed: int = 0,
    batch_size: int = 100,
) -> Pairs:
    """Pairs of noise and the teacher's image, in a folder; what is there already stays.

    Args:
        teacher: fitted.
        n: number of pairs.
        folder: where they go.
        solver: a name in `dima.noise.solver.SOLVERS`; of ancestral ones little can be learnt.
        steps: of the walk.
        seed: of the noise.
        batch_size: pairs walked at a time.

    Raises:
        SettingError: an argument is out of range, or the folder holds other pairs.
        ArtifactError: the folder holds something else, or the disk refused.
    """
    fit = check.fitted(_teacher("pairs", teacher))
    asked = {"n": n, "seed": seed, "steps": steps, "solver": solver}
    checked = settings.check("pairs", PixelDiffusion.sample, asked)
    model = fit.model()
    table = sampling.table(model.path, solver=checked["solver"], steps=checked["steps"])
    plan = PairsPlan(
        **checked,
        is_deterministic=not table.C.any(),
        teacher=network_identity(fit.network),
        image_shape=fit.image_shape,
        noise_row=NOISE_ROW,
    )
    return make_pairs(walker(model, table, plan.seed), folder, plan, batch_size)


def _teacher(owner: str, given: Any) -> PixelDiffusion:
    if isinstance(given, PixelDiffusion):
        return given
    got, fix = type(given).__name__, "Make one with dima image fit-ddpm."
    raise SettingError(f"{owner}: the teacher must be a PixelDiffusion; got a {got}. {fix}")
