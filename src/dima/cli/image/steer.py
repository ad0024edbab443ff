"""`dima image edit`, `reconstruct` and `explain`: what a saved model of images makes of given ones."""

from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number

from dima.cli import output, targets
from dima.cli.flags import EVERYWHERE, Common, Count, whole
from dima.cli.image import places
from dima.cli.image.flags import CacheDir, Data, Picture
from dima.cli.image.pictures import save_rows
from dima.cli.image.use import Ckpt, open_model
from dima.data import images
from dima.data.images import Images
from dima.errors import ArtifactError, DataError
from dima.explain.directions import ClassShifts
from dima.explain.doubt import doubts
from dima.model.diffusion_autoencoder import DiffusionAutoencoder
from dima.typing import Array

__all__ = ["edit", "explain", "reconstruct"]

_N = Parameter(name=["--n", "-n"], help="images shown")
_FARTHEST = 2.0  # ways that an edit goes at most to become sure
_LEARNT_FROM = 10_000  # training images from which directions and the last layer are learnt
_DENOISED_AT = 0.15  # share of the prior's levels at which it pulls counterfactuals to its manifold


def edit(  # noqa: PLR0913 each argument is a flag
    *,
    ckpt: Ckpt,
    towards: Annotated[int, Parameter(help="label to move towards", converter=whole)],
    data: Data = "mnist",
    strengths: Annotated[
        list[float], Parameter(help="shares of the way to the label", consume_multiple=True)
    ] = [0.0, 0.5, 0.8, 1.0, 1.2],  # noqa: B006 read only
    n: Annotated[Count, _N] = 10,
    cache_dir: CacheDir = None,
    to: Picture = Path("edited.png"),
    common: Common = EVERYWHERE,
) -> None:
    """Move test images towards a label in latent space, and keep their noise so that the rest stays.

    Writes a strip: the images, then a row for each strength, and last the least strength, up to 2, at which
    a linear classifier is sure of the latent of what was drawn; it says of how many images it became so, and
    of how many it was before.
    The way of an image leads to the training latents of that label that are nearest to its own.

    Examples:
        dima image edit --ckpt digits/model --towards 8
        dima image edit --ckpt MODEL --towards 3 --strengths 0 0.7 1.4 -n 6 -o towards3.png
    """
    targets.file(to, kinds=(".png",))
    model = _diffusion_autoencoder(ckpt)
    train, labels, test = _both(data, cache_dir)
    shifts = ClassShifts.of(model.encode(train.images), labels)
    if towards not in shifts.classes:
        known = ", ".join(map(str, shifts.classes))
        raise DataError(f"dima image edit: --towards must be one of the labels, {known}; got {towards}.")
    shown = test.images[:n]
    Z, noise = model.encode(shown), model.encode_noise(shown)
    ways = shifts.ways(Z, towards)
    rows = {f"strength {far:g}": model.decode(Z + far * ways, noise) for far in strengths}
    drawn = lambda moved, which: model.encode(model.decode(moved, noise[which]))  # noqa: E731 used once
    least = shifts.least(Z, ways, towards, most=_FARTHEST, through=drawn)
    rows["until sure"] = model.decode(Z + least[:, None] * ways, noise)
    save_rows(to, {"image": shown, **rows})
    # Those that never are stand drawn at the farthest, which proves nothing.
    before, sure = int((least == 0).sum()), int(((least > 0) & (least < _FARTHEST)).sum())
    if common.as_json:
        output.json({"output": to, "images": len(shown), "sure": sure, "sure_before": before})
    elif not common.quiet:
        told = f"  until sure: {sure} of {len(shown) - before} became label {towards}"
        output.lines(f"{to}: {len(shown)} images", f"{told}, {before} were before" if before else told)


def reconstruct(
    *,
    ckpt: Ckpt,
    data: Data = "mnist",
    n: Annotated[Count, _N] = 10,
    cache_dir: CacheDir = None,
    to: Picture = Path("reconstructed.png"),
    common: Common = EVERYWHERE,
) -> None:
    """Draw test images beside what a saved model makes of their latents.

    For a diffusion autoencoder twice: with the noise that belongs to each image, and with new noise.

    Examples:
        dima image reconstruct --ckpt outputs/checkpoints/RUN
        dima image reconstruct --ckpt digits/model --data fashion-mnist -n 6 -o rebuilt.png
    """
    targets.file(to, kinds=(".png",))
    model = open_model(ckpt)
    shown = images.load(data, "test", cache_dir=places.cache_folder(cache_dir)).images[:n]
    rows = {"image": shown, "its latent": model.decode(model.encode(shown))}
    if isinstance(model, DiffusionAutoencoder):
        rows |= {"its latent, its noise": model.reconstruct(shown)}
    save_rows(to, rows)
    errors = {name: _error(row, shown) for name, row in rows.items()}
    if common.as_json:
        output.json({"output": to, "images": len(shown), "errors": errors})
    elif not common.quiet:
        output.lines(f"{to}: {len(shown)} images")
        output.lines(*(f"  {name}: mean squared error {error:.5f}" for name, error in errors.items()))


def explain(  # noqa: PLR0913 each argument is a flag
    *,
    ckpt: Ckpt,
    data: Data = "mnist",
    n: Annotated[Count, _N] = 8,
    distance_weight: Annotated[
        float, Parameter(help="what a unit of distance costs, in nats", validator=Number(gte=0))
    ] = 0.1,
    prior_weight: Annotated[
        float, Parameter(help="what leaving the prior's manifold costs", validator=Number(gte=0))
    ] = 0.5,
    cache_dir: CacheDir = None,
    to: Picture = Path("explained.png"),
    common: Common = EVERYWHERE,
) -> None:
    """Show the test images a Bayesian classifier of latents is least sure of, and what would make it sure.

    Rows of the picture: the surest images, the least sure ones, these as their latents decode, and after
    the smallest change of latent, on the prior's manifold, that makes the classifier surer.

    Examples:
        dima image explain --ckpt digits/model
        dima image explain --ckpt outputs/checkpoints/RUN --n 6 -o doubts.png --json
    """
    targets.file(to, kinds=(".png",))
    model = open_model(ckpt)
    train, labels, test = _both(data, cache_dir)
    Z = model.encode(test.images)
    level = max(1, round(_DENOISED_AT * model.facts().get("prior_T", 0)))
    told = doubts(
        model.encode(train.images),
        labels,
        Z,
        n,
        prior=lambda z: model.denoise(z, level),
        distance_weight=distance_weight,
        prior_weight=prior_weight,
        **common.seeded(),
    )
    unsure = test.images[told.unsure]
    noise = (model.encode_noise(unsure),) if isinstance(model, DiffusionAutoencoder) else ()
    before, after = (model.decode(latents, *noise) for latents in (Z[told.unsure], told.z))
    rows = {"surest": test.images[told.sure], "least sure": unsure, "as decoded": before, "surer": after}
    save_rows(to, rows)
    table = [
        [told.predicted[row], told.entropy[row], end, entropy, distance]
        for row, end, entropy, distance in zip(
            told.unsure, told.z_predicted, told.z_entropy, told.distance, strict=True
        )
    ]
    if common.as_json:
        output.json({"output": to, "columns": _COLUMNS, "rows": table})
    elif not common.quiet:
        output.table(
            _COLUMNS, [[str(a), f"{b:.3f}", str(c), f"{d:.3f}", f"{e:.2f}"] for a, b, c, d, e in table]
        )
        output.lines("", f"{to}: {len(unsure)} images of each kind")


_COLUMNS = ["label told", "entropy (nats)", "label there", "entropy there", "distance"]


def _both(data: str, cache_dir: Path | None) -> tuple[Images, Array, Images]:
    """Some training images with their labels, and the test images."""
    kept = places.cache_folder(cache_dir)
    train, test = (images.load(data, split, cache_dir=kept) for split in ("train", "test"))
    if train.labels is None:
        fix = "Pass a set with labels, such as mnist, or a folder with one folder a class."
        raise DataError(f"dima image: {data} must have labels; got none. {fix}")
    return train.first(_LEARNT_FROM), train.labels[:_LEARNT_FROM], test


def _diffusion_autoencoder(ckpt: Path) -> DiffusionAutoencoder:
    model = open_model(ckpt)
    if isinstance(model, DiffusionAutoencoder):
        return model
    got, fix = type(model).__name__, "Make one with dima image fit-diffae."
    raise ArtifactError(f"--ckpt: {ckpt} must be a saved DiffusionAutoencoder; got a {got}. {fix}")


def _error(row: np.ndarray, shown: np.ndarray) -> float:
    """Mean squared error of pixels in [0, 1]."""
    return float(np.square((row - shown) / 2).mean())
