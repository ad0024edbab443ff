"""`dima demo`: the whole path on handwritten digits, offline, in under a minute."""

import dataclasses
import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dima.cli import output, targets
from dima.cli.flags import EVERYWHERE, Common, Folder
from dima.data import manifolds, read, split
from dima.figures.report import save_report
from dima.model import persist, report
from dima.model.evaluate import evaluate
from dima.model.manifold_autoencoder import ManifoldAutoencoder
from dima.model.stages import collected, measured

__all__ = ["demo"]

_SHAPE = (8, 8)
_DIMENSION = 16
_SAMPLES = 1000


def demo(
    what: Annotated[str, Parameter(choices=("digits", "images"), help="what is shown")] = "digits",
    /,
    *,
    to: Folder = Path("dima-demo"),
    common: Common = EVERYWHERE,
) -> None:
    """Fit, measure and sample data that come with dima, and write a report: needs no data, no network.

    digits: a manifold autoencoder of handwritten digits (1,797 rows of 64 pixels, from scikit-learn), some
    30 seconds on two cores. images: latent diffusion of clothes (1,000 images of 28 x 28), in PyTorch and
    JAX, a minute or so. A fifth is held out for the figures.

    Examples:
        dima demo
        dima demo images
        dima demo -o digits --seed 1
    """
    if what == "images":
        # It brings PyTorch, an extra.
        from dima.cli.image.demo import demo_images

        demo_images(targets.folder(to, "dima demo"), common)
    else:
        _demo_digits(targets.folder(to, "dima demo"), common)


def _demo_digits(folder: Path, common: Common) -> None:
    targets.model(folder / "model", overwrite=True)
    targets.file(folder / "report.html", kinds=(".html",))
    targets.file(folder / "samples.npy")
    seed = common.seed or 0
    X, labels = manifolds.digits()
    train, held_out = split.train_test(len(X), 0.2, seed)
    if not common.quiet:
        output.note(f"Fitting to {len(train)} handwritten digits; {len(held_out)} are held out.")
    with collected() as own_stages:
        model = ManifoldAutoencoder(_DIMENSION, seed=seed).fit(X[train])
        persist.save(model, folder / "model")
        with measured("evaluation"):
            figures = evaluate(model, X[held_out], seed=seed)
        with measured("samples"):
            read.save_table(folder / "samples.npy", model.sample(_SAMPLES, seed=seed))
    title = "dima on handwritten digits"
    subject = report.Subject(title, X[held_out], labels[held_out], _SHAPE, seed=seed)
    save_report(folder / "report.html", report.build(model, figures, subject))
    stages = [*model.stages_, *own_stages]
    if common.as_json:
        known = {"folder": folder, **dataclasses.asdict(figures)}
        output.json(known | {"stages": [dataclasses.asdict(stage) for stage in stages]})
    elif not common.quiet:
        output.table(("held out", "value", "beside it"), report.summary(figures))
        output.lines("")
        output.stages(stages)
        at = shlex.quote(str(folder / "model"))
        output.lines("", f"Open {folder / 'report.html'} in a browser. Then try:")
        output.lines(f"  dima sample {at} -n 100 -o more.npy", f"  dima info {at}")
        output.lines("  dima fit YOUR_TABLE.csv -o model --report report.html")
