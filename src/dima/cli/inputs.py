"""What verbs share: a table read, a model opened for what it is asked, a result written and told."""

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from dima.cli import output
from dima.cli.flags import Common
from dima.data import frame, images, read
from dima.data.table import Table
from dima.errors import ArtifactError, DataError, ShapeError
from dima.model import persist
from dima.model.latent_model import LatentModel
from dima.model.rows import Rows, by_name
from dima.typing import Array

__all__ = ["TABLES", "as_table", "finish", "method", "note_filled", "rows", "rows_for", "table", "whole"]

_SHOWN = 5  # names in a note
TABLES = (".csv", ".tsv", ".parquet")  # never images
# What a verb calls, first found first: a part alone serves the verbs it can.
_METHODS = {"encode": ["transform"], "decode": ["inverse_transform", "predict"]}


def table(
    data: str,
    drop_text: bool,
    common: Common,
    *,
    keep_words: bool = False,
    missing: bool = False,
    drop: Collection[str] = (),
) -> Table:
    """Read a table, and say which of its columns were left out; the rest is as in `read.table`.

    Raises:
        DataError: there is no column of a name in `drop`.
    """
    found = read.table(data, drop_text, keep_words, missing, drop)
    _refuse_unknown(found, drop, data)
    return _noted(found, common)


def _noted(found: Table, common: Common) -> Table:
    """The same, once it is told what was left out."""
    if found.left_out and not common.quiet:
        output.note(f"Left out: {', '.join(found.left_out)}.")
    return found


def _refuse_unknown(found: Table, drop: Collection[str], data: str) -> None:
    """Refuse names of columns to leave out that the table has not, or a table that has none."""
    unknown = [name for name in drop if name not in found.left_out]
    if not unknown:
        return
    there = "" if found.names is None else f" There are: {', '.join([*found.left_out, *found.names])}."
    got = f"{unknown[0]!r}" if there else f"{unknown[0]!r}, and no column has a name"
    raise DataError(f"dima fit: --drop must name columns of {data}; got {got}.{there}")


def note_filled(found: Table, common: Common, consequence: str) -> None:
    """Say how many missing cells are filled, with what, and what comes of it, where there are some."""
    missing = np.isnan(found.values)
    if common.quiet or not missing.any():
        return
    cells, axes = int(missing.sum()), np.flatnonzero(missing.any(axis=0)).tolist()
    where = f"{len(axes)} column{'s' * (len(axes) > 1)}"
    words = [repr(found.shown_names[axis]) for axis in axes if axis in found.words]
    more = ", ..." * (len(words) > _SHOWN)
    how = f", words by the most frequent ({', '.join(words[:_SHOWN])}{more})" if words else ""
    output.note(f"Filled {cells} missing cell{'s' * (cells > 1)} in {where}{how}; {consequence}.")


def whole(path: Path, verb: str) -> LatentModel:
    """Open a saved model that encodes and decodes.

    Raises:
        ArtifactError: it is a part alone.
    """
    model = persist.load(path)
    if isinstance(model, LatentModel):
        return model
    rule = f"a whole model, with encoder and decoder; got a {type(model).__name__}"
    raise ArtifactError(f"dima {verb}: {path} must be {rule}.")


def method(model: Any, verb: str) -> Any:
    """What a model does for a verb.

    Raises:
        ArtifactError: it cannot do that.
    """
    for name in [*_METHODS.get(verb, []), verb]:
        if hasattr(model, name):
            return getattr(model, name)
    raise ArtifactError(f"dima {verb}: the model must be able to {verb}; got a {type(model).__name__}.")


def rows(model: Any, data: str, drop_text: bool, common: Common) -> Array | Table:
    """Read what a model takes: a table, its rows for a part alone, or images (n, c, h, w).

    Raises:
        ShapeError: the columns have other names than those of the model.
    """
    if hasattr(model, "image_shape_") and Path(data).suffix.lower() not in TABLES:
        with contextlib.suppress(ShapeError):  # an array of rows is a table for this model too
            return images.load_given(data).images
    if hasattr(model, "image_shape_") or not isinstance(model, LatentModel):
        return rows_for(model, table(data, drop_text, common), data)
    learnt: Rows = model.fit_.rows
    # What an empty column is filled with, if anything, the model knows.
    found = _noted(read.table(data, drop_text, True, True, learnt.left_out, blank=True), common)
    own = learnt.learnt_of(found)
    rows_for(model, own, data)
    if learnt.impute:  # what is not filled is refused
        note_filled(own, common, "what is told of such rows is told of them as filled")
    return found


def rows_for(model: Any, found: Table, data: str) -> Array:
    """The rows of a table, whose columns are those of the model, in its order.

    Raises:
        ShapeError: both have column names, and they differ.
    """
    return by_name(data, getattr(model, "columns_", None), found).values


def as_table(model: Any, drawn: Any) -> Table:
    """What a model gave for rows, with the names, types and words of its columns."""
    if isinstance(drawn, Table):
        return drawn
    if frame.is_frame(drawn):
        return frame.from_frame(drawn)
    values = np.asarray(drawn).reshape(len(drawn), -1)  # images are written as rows
    is_whole = isinstance(model, LatentModel) and not hasattr(model, "image_shape_")
    return model.fit_.rows.table(values) if is_whole else Table(values, getattr(model, "columns_", None), [])


def finish(
    to: Path, result: Array | Table, common: Common, names: list[str] | None = None, **figures: float
) -> None:
    """Write the result, with names and types of columns where known, and tell its size and figures."""
    found = result if isinstance(result, Table) else Table(result.reshape(len(result), -1), names, [])
    values = found.values
    read.save_table(to, values, found.names, found.types, found.words or None)
    if common.as_json:
        output.json({"output": to, "shape": values.shape, "dtype": str(values.dtype)} | figures)
    elif not common.quiet:
        beside = [f", {name} {output.shown(value)}" for name, value in output.in_words(figures).items()]
        output.lines(f"{to}: {values.shape[0]} x {values.shape[1]}{''.join(beside)}")
