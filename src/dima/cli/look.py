"""Verbs that look at a model: evaluate and info."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from dima.cli import flags, output
from dima.cli.flags import EVERYWHERE, Common
from dima.cli.use import opened, table

__all__ = ["evaluate", "info"]


def evaluate(
    model: flags.Model,
    data: flags.Data,
    /,
    *,
    n_samples: Annotated[
        flags.Whole,
        Parameter(
            help="samples compared with the data", validator=Number(gte=10), show_default=lambda _: 500
        ),
    ] = None,
    drop_text: flags.DropText = False,
    common: Common = EVERYWHERE,
) -> None:
    """Measure a model on rows it has not seen.

    Reconstruction is put beside principal components at the same d, samples beside as many
    training rows.
    """
    X, fitted = table(data, drop_text, common).values, opened(model)
    # Measuring brings scikit-learn's classifiers: nothing else needs them.
    from dima.model.evaluate import evaluate as measure
    from dima.model.report import summary

    chosen = {} if n_samples is None else {"n_samples": n_samples}
    with common.bars():
        measured = measure(fitted, X, **chosen, **common.seeded())
    if common.as_json:
        output.json(dataclasses.asdict(measured))
        return
    output.lines(f"{measured.n_held_out} rows, d = {measured.d}", "")
    output.table(("figure", "value", "beside it"), summary(measured))


def info(model: flags.Model, /, *, common: Common = EVERYWHERE) -> None:
    """Show what a saved model is: sizes, chosen values, settings, versions.

    The file is checked as a whole: a damaged model is told by the name of its broken part.
    """
    # The engines load here, so that `--help` does without.
    from dima.cli.facts import facts, readable, settings
    from dima.model import persist
    from dima.model.autoencoder import ManifoldAutoencoder

    fitted = persist.load(model)
    whole = isinstance(fitted, ManifoldAutoencoder)
    known = facts(fitted) if whole else {}
    kind, given, file = type(fitted).__name__, settings(fitted), _file(model)
    if common.as_json:
        output.json({"kind": kind, **known, "settings": given, "file": file})
        return
    output.pairs({"kind": kind, **(readable(known) if whole else {})})
    output.lines("")
    output.pairs({name: _settings(values) for name, values in given.items()})
    output.lines("")
    output.pairs({name.replace("_", " "): value for name, value in file.items()})


def _settings(values: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items() if value is not None)


def _file(path: Path) -> dict[str, Any]:
    """Where a model lies, its size, and what it was written with, if it is a folder."""
    # The store brings NumPy, which `--help` does without.
    from dima.files import surviving
    from dima.store.manifest import read_manifest

    place = surviving(path, "info")
    if not place.is_dir():
        return {"path": str(path), "bytes": place.stat().st_size}
    size = sum(member.stat().st_size for member in place.iterdir())
    by = read_manifest((place / "MANIFEST.json").read_bytes(), str(path)).versions
    written = f"dima {by.dima}, numpy {by.numpy}, python {by.python}"
    return {"path": str(path), "bytes": size, "written_with": written}
