"""What verbs share: a table read, a model opened for what it is asked, a result written and told."""

import contextlib
import itertools
from pathlib import Path
from typing import Any

from dima.cli import output
from dima.cli.flags import Common
from dima.data import images, read
from dima.data.table import Table
from dima.errors import ArtifactError, ShapeError
from dima.model import persist
from dima.model.latent_model import LatentModel
from dima.typing import Array

__all__ = ["finish", "method", "rows", "rows_for", "table", "whole"]

_TABLES = (".csv", ".tsv", ".parquet")  # never images
# What a verb calls, first found first: a part alone serves the verbs it can.
_METHODS = {"encode": ["transform"], "decode": ["inverse_transform", "predict"]}


def table(data: str, drop_text: bool, common: Common) -> Table:
    """Read a table, and say which of its columns were left out."""
    found = read.table(data, drop_text)
    if found.left_out and not common.quiet:
        output.note(f"Left out: {', '.join(found.left_out)}.")
    return found


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


def rows(model: Any, data: str, drop_text: bool, common: Common) -> Array:
    """Read what a model takes: the rows of a table, or images (n, c, h, w) for a model of images.

    Raises:
        ShapeError: the columns have other names than those of the model.
    """
    if hasattr(model, "image_shape_") and Path(data).suffix.lower() not in _TABLES:
        with contextlib.suppress(ShapeError):  # an array of rows is a table for this model too
            return images.load(data, "test").images
    return rows_for(model, table(data, drop_text, common), data)


def rows_for(model: Any, found: Table, data: str) -> Array:
    """The rows of a table, whose columns are those of the model.

    Raises:
        ShapeError: both have column names, and they differ.
    """
    names: list[str] | None = getattr(model, "columns_", None)
    if names is not None and found.columns is not None and names != found.columns:
        fix = "Pass the columns of the training table, in their order."
        pairs = itertools.zip_longest(names, found.columns, fillvalue="none")
        got = next(f"{theirs!r} where it learnt {ours!r}" for ours, theirs in pairs if ours != theirs)
        raise ShapeError(f"{data}: columns must be those of the model; got {got}. {fix}")
    return found.values


def finish(
    to: Path, values: Array, common: Common, columns: list[str] | None = None, **figures: float
) -> None:
    """Write the result, with column names where they are known, and tell its size and figures."""
    values = values.reshape(len(values), -1)  # images are written as rows
    read.save_table(to, values, columns)
    if common.as_json:
        output.json({"output": to, "shape": values.shape, "dtype": str(values.dtype)} | figures)
    elif not common.quiet:
        beside = [f", {name} {output.shown(value)}" for name, value in output.in_words(figures).items()]
        output.lines(f"{to}: {values.shape[0]} x {values.shape[1]}{''.join(beside)}")
