"""Verbs that look at a model: evaluate and info."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number

from dima.cli import flags, inputs, output, targets
from dima.cli.flags import EVERYWHERE, Common
from dima.figures.report import save_report
from dima.files import surviving
from dima.model import persist
from dima.model.evaluate import Evaluation
from dima.model.evaluate import evaluate as measure
from dima.model.evaluate.rows import RowFigure
from dima.model.evaluate.tables import is_table
from dima.model.latent_model import LatentModel
from dima.model.report import Subject, build
from dima.model.report.summary import (
    ROW_HEADERS,
    column_headers,
    column_summary,
    more_columns,
    row_summary,
    seen,
    summary,
)
from dima.store.contents import MANIFEST
from dima.store.manifest import read_manifest

__all__ = ["evaluate", "info"]

_TRAIN = Parameter(
    help="table the model was fitted on, where the model keeps no rows, or none of their labels"
)
_HOW_TO_READ = "Best: classifier tests .5, copy ratios 1 (copies 0), the rest as training rows."
_SAMPLES = Parameter(help="samples compared with the data", validator=Number(gte=10), show_default="500")


def evaluate(  # noqa: PLR0913 each argument is a flag
    model: flags.Model,
    data: flags.Data,
    /,
    *,
    train: Annotated[str | None, _TRAIN] = None,
    n_samples: Annotated[flags.Whole, _SAMPLES] = None,
    page: flags.Page = None,
    drop_text: flags.DropText = False,
    common: Common = EVERYWHERE,
) -> None:
    """Measure a model on rows it has not seen, beside PCA and beside real rows.

    Reconstruction is put beside principal components at the same d, samples beside as many
    training rows. Of a table every column is told, and how honest generated rows are, beside training
    rows and a Gaussian mixture.

    Examples:
        dima evaluate model held_out.npy
        dima evaluate wine held_out.csv --train train.csv --report wine.html
    """
    if page is not None:
        targets.file(page, kinds=(".html",))
    opened = inputs.whole(model, "evaluate")
    chosen: dict[str, Any] = {} if n_samples is None else {"n_samples": n_samples}
    if train is not None:
        chosen["train"] = inputs.rows(opened, train, drop_text, common)
    held_out = inputs.rows(opened, data, drop_text, common)
    measured = measure(opened, held_out, **chosen, **common.seeded())
    if page is not None:
        labels = opened.fit_.rows.labels_of(held_out)
        subject = Subject(
            f"{model.name} on {Path(data).name}",
            held_out,
            None if labels is None else np.array(labels),
            train=chosen.get("train"),
            seed=common.seed or 0,
        )
        save_report(page, build(opened, measured, subject))
    if common.as_json:
        output.json(dataclasses.asdict(measured))
        return
    _tell(measured, opened, common)
    if page is not None and not common.quiet:
        output.lines("", f"Report: {page}")


def _tell(measured: Evaluation, opened: LatentModel, common: Common) -> None:
    output.lines(f"{measured.n_held_out} rows, d = {measured.d}", "")
    output.table(("figure", "value", "beside it"), summary(measured))
    if measured.rows is not None:
        output.lines("")
        output.table(ROW_HEADERS, row_summary(measured))
        output.lines("", _HOW_TO_READ)
    if measured.column_r2 is not None:
        output.lines("")
        output.table(column_headers(measured), column_summary(measured))
        if told := more_columns(measured):
            output.lines("", told)
    if (told := seen(measured)) and not common.quiet:
        output.note(told)
    if is_table(opened) and opened.prior_ is not None and not common.quiet:
        _note_what_is_missing(opened, measured.rows)


def _note_what_is_missing(opened: LatentModel, figures: Sequence[RowFigure] | None) -> None:
    """Say which table would bring figures of generated rows that there are not."""
    label = opened.fit_.rows.label
    if figures is None:
        output.note("How honest generated rows are can be told with the training table: --train TABLE.")
    elif label is not None and not any(figure.name.startswith("train on") for figure in figures):
        output.note(f"What generated rows teach can be told where both tables hold the column {label[0]!r}.")


def info(model: flags.Model, /, *, common: Common = EVERYWHERE) -> None:
    """Show what a saved model is, after checking every byte of it.

    Sizes, chosen values, settings, versions. A damaged model is told by the name of its broken part.

    Examples:
        dima info model
        dima info model --json
    """
    opened = persist.load(model)
    facts = {"kind": type(opened).__name__, **opened.facts()}
    settings = {name: _settings(value) for name, value in opened.get_params(deep=False).items()}
    if common.as_json:
        output.json({**facts, "settings": settings, "file": _file(model)})
        return
    output.pairs(output.in_words(facts))
    parts = {name: part for name, part in settings.items() if isinstance(part, dict)}
    own = {name: value for name, value in settings.items() if name not in parts}
    for title, values in {"settings": own, **parts, "file": output.in_words(_file(model))}.items():
        output.lines("", title)
        output.pairs({f"  {name}": value for name, value in values.items()})


def _settings(value: Any) -> Any:
    """A setting, or the settings of a part."""
    return value.get_params(deep=False) if hasattr(value, "get_params") else value


def _file(path: Path) -> dict[str, Any]:
    """Where a model lies, its size, and what it was written with, if it is a folder."""
    place = surviving(path, "dima info")
    if not place.is_dir():
        return {"path": str(path), "bytes": place.stat().st_size}
    size = sum(member.stat().st_size for member in place.iterdir())
    by = read_manifest((place / MANIFEST).read_bytes(), str(path)).versions
    written = f"dima {by.dima}, numpy {by.numpy}, python {by.python}"
    return {"path": str(path), "bytes": size, "written_with": written}
