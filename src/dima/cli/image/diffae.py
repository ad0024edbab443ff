"""`dima image fit-diffae`: images in, a diffusion autoencoder and pictures of what it does out."""

import logging
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from dima import settings
from dima.cli import flags, output, targets
from dima.cli.flags import EVERYWHERE, Common, Count
from dima.cli.image import places, same
from dima.cli.image.flags import AutoResume, CacheDir, Data, OnlyDigit, OutDir, on_data
from dima.cli.image.pictures import save_grid, save_rows
from dima.data import images
from dima.model import persist
from dima.model.diffusion_autoencoder import DiffusionAutoencoder
from dima.model.diffusion_coder import DiffusionCoder
from dima.typing import Float32

__all__ = ["fit_diffae"]

_OWNER = "dima image fit-diffae"
_TO = Parameter(
    name=["--output", "-o"],
    help="folder of results; OUTDIR/diffusion-autoencoders/MODE-dN-DATA if not given",
)
_PICTURES_EVERY = 5  # epochs
_SHOWN = 10  # images in a row
_TIMES = (0.3, 0.5, 0.7, 0.9)  # diffusion times of the demo
_PERTURBED = (0.0, 0.5, 1.0)  # lengths of a perturbation, in spreads of the latents
_LEAST_USED = 1.05  # below, the denoiser hardly looks at its condition

_log = logging.getLogger("dima")


@flags.takes(chosen=flags.of(DiffusionCoder, without={"seed"}, name="*"))
def fit_diffae(  # noqa: PLR0913 each argument is a flag
    *,
    data: Data = "mnist",
    to: Annotated[Path | None, _TO] = None,
    chosen: flags.Settings = None,
    prior_steps: Annotated[Count, Parameter(help="training steps of the prior on the latents")] = 10_000,
    only_digit: OnlyDigit = None,
    cache_dir: CacheDir = None,
    auto_resume: AutoResume = False,
    outdir: OutDir = None,
    common: Common = EVERYWHERE,
) -> None:
    """Train a diffusion autoencoder of images: an encoder, a denoiser under its latents, a prior over them.

    Writes into the folder: model (for dima image edit, reconstruct, explain, sample), coder (its encoder
    and denoiser), run (metrics, and what a run that was killed goes on from), samples every 5 epochs,
    conditioned_samples.png and diffusion_autoencoder_demo.png. What is there already is loaded, not
    trained again; the same command goes on after a kill, and --auto-resume says where there is nothing to.

    Examples:
        dima image fit-diffae --data mnist -o digits
        dima image fit-diffae --mode frozen --latent-dim 256 --block-depth 2 --ae-epochs 5 -o frozen
        dima image fit-diffae --data fashion-mnist --widths 32 64 128 --epochs 10
    """
    coder = DiffusionCoder(**settings.check(_OWNER, DiffusionCoder, chosen or {}), **common.seeded())
    usual = (outdir or places.output_folder()) / "diffusion-autoencoders"
    folder = targets.folder(to or usual / _name(coder, data, only_digit), _OWNER)
    kept = places.cache_folder(cache_dir)
    train = images.load(data, "train", only_digit, kept).images
    shown = images.load(data, "test", only_digit, kept).images[:_SHOWN]
    if auto_resume and not (folder / "run").exists():
        _log.info("No run to go on with in %s: a new one begins.", folder)
    asked = {"data": data, "prior_steps": prior_steps, **same.declared_of(coder)}
    same.hold(_OWNER, folder, asked, train, made=("model", "coder", "run"))
    model = _model(_coder(coder, train, folder), train, folder, prior_steps)
    used = model.condition_used(train[:1000])
    if used < _LEAST_USED:
        _log.warning("The denoiser hardly uses its latents: ratio %.3f, below %.2f.", used, _LEAST_USED)
    _save_pictures(model, shown, folder)
    facts = {"condition_used": used, **model.facts()}
    if common.as_json:
        output.json({"model": folder / "model", **facts})
    elif not common.quiet:
        output.pairs(output.in_words(facts))
        output.lines("", f"Model: {folder / 'model'}", "", "Next:")
        call = f"  dima image edit --ckpt {folder / 'model'} --towards 8 --output edited.png"
        output.lines(call + on_data(data))


def _name(coder: DiffusionCoder, data: str, only_digit: int | None) -> str:
    digit = "" if only_digit is None else f"-digit{only_digit}"
    return f"{coder.mode}-d{coder.latent_dim}-{Path(data).resolve().stem}{digit}"


def _coder(coder: DiffusionCoder, train: Float32, folder: Path) -> DiffusionCoder:
    """The encoder and denoiser that are there already, or trained ones."""
    place = folder / "coder"
    if place.exists():
        found: DiffusionCoder = same.open_saved(place)
        return found

    def after_epoch(so_far: DiffusionCoder, epoch: int) -> None:
        if epoch % _PICTURES_EVERY == 0:
            samples = targets.folder(folder / "samples", _OWNER)
            save_grid(samples / f"epoch_{epoch:06d}.png", so_far.sample(16, seed=coder.seed))

    with places.goes_on():
        coder.fit(train, checkpoint=folder / "run", watch=after_epoch)
    persist.save(coder, place)
    return coder


def _model(coder: DiffusionCoder, train: Float32, folder: Path, steps: int) -> DiffusionAutoencoder:
    place = folder / "model"
    if place.exists():
        found: DiffusionAutoencoder = same.open_saved(place)
        return found
    model = DiffusionAutoencoder(coder, prior={"n_iter": steps}, seed=coder.seed)
    with places.goes_on():
        model.fit(train, checkpoint=folder / "run" / "prior")
    persist.save(model, place)
    return model


def _save_pictures(model: DiffusionAutoencoder, shown: Float32, folder: Path) -> None:
    Z = model.encode(shown)
    save_rows(
        folder / "conditioned_samples.png",
        {
            "image": shown,
            "its latent, its noise": model.reconstruct(shown),
            "its latent, new noise": model.decode(Z),
        },
    )
    random = np.random.default_rng(0).standard_normal(Z.shape)
    rows: dict[str, Any] = {"image": shown}
    for time in _TIMES:
        for length in _PERTURBED:
            rows[f"time {time:g}, latent moved {length:g}"] = model.renoise(shown, Z + length * random, time)
    save_rows(folder / "diffusion_autoencoder_demo.png", rows)
