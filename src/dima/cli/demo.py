"""`dima demo`: the whole path on handwritten digits, offline, in under a minute."""

import dataclasses
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["demo"]

_SHAPE = (8, 8)
_DIMENSION = 16
_SAMPLES = 1000


def demo(
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="folder to write")] = Path("dima-demo"),
    *,
    seed: Annotated[int, Parameter(help="seed of the split, the model and its samples")] = 0,
    quiet: Annotated[bool, Parameter(help="no progress bars", negative="")] = False,
    json: Annotated[bool, Parameter(help="print the figures as JSON", negative="")] = False,
) -> None:
    """Fit DIMA on scikit-learn's handwritten digits and write a report, the model and samples.

    The digits (1,797 rows of 64 pixels) come with scikit-learn: nothing is downloaded. A fifth of them
    is held out for the figures.

    Example: dima demo -o dima-demo
    """
    # The engines load here, so that `dima --help` stays instant.
    from dima.cli import output as printed
    from dima.data import read, split, toy
    from dima.figures.report import save_report
    from dima.model import persist, report
    from dima.model.autoencoder import ManifoldAutoencoder
    from dima.model.evaluate import evaluate
    from dima.progress import quiet as silently
    from dima.progress import silenced

    X, labels = toy.digits()
    train, held_out = split.train_test(len(X), 0.2, seed)
    output.mkdir(parents=True, exist_ok=True)
    with silenced(quiet):
        model = ManifoldAutoencoder(_DIMENSION, seed=seed).fit(X[train])
        with model.stages_.measured("evaluation"):
            measured = evaluate(model, X[held_out], seed=seed)
    subject = report.Subject("dima on handwritten digits", X[held_out], labels[train], _SHAPE, seed)
    save_report(output / "report.html", report.build(model, measured, subject))
    persist.save(model, output / "model")
    read.save_table(output / "samples.npy", model.sample(_SAMPLES, seed=seed))
