"""`dima demo images`: latent diffusion of a thousand small images, offline, in a minute or so."""

import shlex
from dataclasses import asdict
from pathlib import Path

from dima.cli import output, targets
from dima.cli.flags import Common
from dima.cli.image.pictures import save_grid
from dima.data import images
from dima.figures.report import save_report
from dima.model import persist
from dima.model.evaluate.images import COLUMNS, both_labels, evaluate_images, shipped_judges, summary
from dima.model.image_autoencoder import ImageAutoencoder
from dima.model.latent_diffusion import LatentDiffusion
from dima.model.report.images import image_report
from dima.model.report.subject import Subject

__all__ = ["demo_images"]

_SET = "fashion-mnist-1000"
_EPOCHS = 120  # of the autoencoder
_PRIOR = {"n_iter": 3000, "hidden_dim": 128}
_SAMPLES = 64


def demo_images(folder: Path, common: Common) -> None:
    """Train an autoencoder and a prior over its latents, measure them, and write pictures and a report."""
    targets.model(folder / "model", overwrite=True)
    targets.file(folder / "report.html", kinds=(".html",))
    train, held_out = (images.load(_SET, split) for split in ("train", "test"))
    seed = common.seed or 0
    if not common.quiet:
        output.note(f"Fitting to {len(train.images)} images; {len(held_out.images)} are held out.")
    autoencoder = ImageAutoencoder("mlp", epochs=_EPOCHS, batch_size=64, seed=seed)
    model = LatentDiffusion(autoencoder, prior=_PRIOR, seed=seed).fit(train.images)
    persist.save(model, folder / "model")
    figures = evaluate_images(
        model,
        train.images,
        held_out.images,
        judges=shipped_judges("fashion-mnist"),
        labels=both_labels(train, held_out),
        seed=seed,
    )
    save_grid(folder / "generated.png", model.sample(_SAMPLES, seed=seed))
    subject = Subject("Latent diffusion of clothes", held_out.images, held_out.labels, train=train.images)
    save_report(folder / "report.html", image_report(model, figures, subject))
    if common.as_json:
        output.json({"folder": folder, "figures": [asdict(figure) for figure in figures]})
    elif not common.quiet:
        output.table(COLUMNS, summary(figures))
        output.lines("")
        output.stages(model.stages_)
        at = shlex.quote(str(folder / "model"))
        output.lines("", f"Open {folder / 'report.html'} in a browser. Then try:")
        output.lines(f"  dima image sample --ckpt {at} --output more.png --seed 1")
