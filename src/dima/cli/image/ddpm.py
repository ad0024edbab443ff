"""`dima image fit-ddpm`: images in, a diffusion model of their pixels out."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dima import settings
from dima.cli import flags, output, targets
from dima.cli.flags import EVERYWHERE, Common
from dima.cli.image import places, same
from dima.cli.image.flags import CacheDir, Data, OnlyDigit, OutDir
from dima.cli.image.pictures import save_grid
from dima.data import images
from dima.model import persist
from dima.model.pixel_diffusion import PixelDiffusion

__all__ = ["fit_ddpm"]

_OWNER = "dima image fit-ddpm"
_TO = Parameter(name=["--output", "-o"], help="folder of results; OUTDIR/ddpm if not given")
_SAMPLED = 64  # images of a picture


@flags.takes(chosen=flags.of(PixelDiffusion, without={"seed"}, name="*"))
def fit_ddpm(  # noqa: PLR0913 each argument is a flag
    *,
    data: Data = "mnist",
    to: Annotated[Path | None, _TO] = None,
    chosen: flags.Settings = None,
    only_digit: OnlyDigit = None,
    cache_dir: CacheDir = None,
    outdir: OutDir = None,
    common: Common = EVERYWHERE,
) -> None:
    """Train a diffusion model of images: a U-Net that denoises pixels, without condition.

    Writes into the folder: model (a teacher for dima image make-pairs and fit-direct), run (metrics, and
    what a run that was killed goes on from), and samples after every epoch. The same command goes on after
    a kill, and leaves a model that is there already as it is.

    Examples:
        dima image fit-ddpm --data mnist -o teacher
        dima image fit-ddpm --data fashion-mnist --epochs 20 --widths 32 64 128 -o clothes
    """
    model = PixelDiffusion(**settings.check(_OWNER, PixelDiffusion, chosen or {}), **common.seeded())
    folder = targets.folder(to or (outdir or places.output_folder()) / "ddpm", _OWNER)
    place = folder / "model"
    train = images.load(data, "train", only_digit, places.cache_folder(cache_dir)).images
    asked = {"data": data, **same.declared_of(model)}
    same.hold(_OWNER, folder, asked, train, made=("model", "run"))
    if place.exists():
        model = same.open_saved(place)
    else:
        samples = targets.folder(folder / "samples", _OWNER)

        def after_epoch(so_far: PixelDiffusion, epoch: int) -> None:
            drawn = so_far.sample(_SAMPLED, seed=model.seed)
            save_grid(samples / f"samples_epoch_{epoch:03d}.png", drawn)

        with places.goes_on():
            model.fit(train, checkpoint=folder / "run", watch=after_epoch)
        persist.save(model, place)
    if common.as_json:
        output.json({"model": place, **model.facts()})
    elif not common.quiet:
        output.pairs(output.in_words(model.facts()))
        output.lines("", f"Model: {place}", "", "Next:")
        output.lines(f"  dima image make-pairs --ckpt {place} --output-dir pairs")
