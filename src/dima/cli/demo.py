"""`dima demo`: the whole path on handwritten digits, offline, in under a minute."""

import dataclasses
import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dima.cli import output, targets
from dima.cli.flags import EVERYWHERE, Common
from dima.data import manifolds, read, split
from dima.figures.report import save_report
from dima.model import persist, report
from dima.model.autoencoder import ManifoldAutoencoder
from dima.model.evaluate import evaluate

__all__ = ["demo"]

_SHAPE = (8, 8)
_DIMENSION = 16
_SAMPLES = 1000


def demo(
    to: Annotated[Path, Parameter(name=["--output", "-o"], help="folder to write")] = Path("dima-demo"),
    common: Common = EVERYWHERE,
) -> None:
    """Fit handwritten digits and write a report, the model and samples.

    The digits (1,797 rows of 64 pixels) come with scikit-learn, so nothing is downloaded. A fifth
    of them is held out for the figures. It takes some 30 seconds on two cores.
    """
    folder = targets.folder(to, "dima demo")
    targets.model(folder / "model")
    targets.page(folder / "report.html")
    targets.table(folder / "samples.npy")
    seed = common.seed or 0
    X, labels = manifolds.digits()
    train, held_out = split.train_test(len(X), 0.2, seed)
    if not common.quiet:
        output.note(f"Fitting to {len(train)} handwritten digits; {len(held_out)} are held out.")
    with common.bars():
        model = ManifoldAutoencoder(_DIMENSION, seed=seed).fit(X[train])
        persist.save(model, folder / "model")
        with model.stages_.measured("evaluation"):
            measured = evaluate(model, X[held_out], seed=seed)
    subject = report.Subject("dima on handwritten digits", X[held_out], labels[train], _SHAPE, seed)
    with model.stages_.measured("samples"):
        read.save_table(folder / "samples.npy", model.sample(_SAMPLES, seed=seed))
    save_report(folder / "report.html", report.build(model, measured, subject))
    stages = [dataclasses.asdict(stage) for stage in model.stages_]
    if common.as_json:
        output.json({"folder": folder, **dataclasses.asdict(measured), "stages": stages})
        return
    if common.quiet:
        return
    rows = [(s["name"], f"{s['seconds']:.1f}", f"{s['peak_mb']:.0f}") for s in stages]
    output.table(("held out", "value", "beside it"), report.summary(measured))
    output.lines("")
    output.table(("stage", "seconds", "peak MB"), rows)
    output.lines("", *_next(folder))


def _next(folder: Path) -> list[str]:
    model = shlex.quote(str(folder / "model"))
    return [
        f"Open {folder / 'report.html'} in a browser. Then try:",
        f"  dima sample {model} -n 100 -o more.npy",
        f"  dima info {model}",
        "  dima fit YOUR_TABLE.csv -o model --report report.html",
    ]
