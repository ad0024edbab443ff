"""What verbs share: a table read, a model opened for what it is asked, a result written and told."""

from pathlib import Path
from typing import Any

from dima.cli import output, targets
from dima.cli.flags import Common
from dima.data import read
from dima.data.table import Table
from dima.errors import ArtifactError, ShapeError
from dima.model import persist
from dima.model.latent_model import LatentModel
from dima.typing import Array

__all__ = ["finish", "method", "opened", "rows_for", "table", "whole"]

# What a verb calls, first found first: a part alone serves the verbs it can.
_METHODS = {
    "encode": ("transform",),
    "decode": ("inverse_transform", "predict"),
    "refine": ("refine",),
    "sample": ("sample",),
}


def table(data: str, drop_text: bool, common: Common) -> Table:
    """Read a table, and say which of its columns were left out."""
    found = read.table(data, drop_text)
    if found.left_out and not common.quiet:
        output.note(f"Left out: {', '.join(found.left_out)}.")
    return found


def opened(path: Path) -> Any:
    """Open a saved model of any kind."""
    return persist.load(path)


def whole(path: Path, verb: str) -> LatentModel:
    """Open a saved model that encodes and decodes.

    Raises:
        ArtifactError: it is a part alone.
    """
    model = opened(path)
    if isinstance(model, LatentModel):
        return model
    got = type(model).__name__
    raise ArtifactError(f"dima {verb}: {path} must be a whole model, with encoder and decoder; got a {got}.")


def method(model: Any, verb: str) -> Any:
    """What a model does for a verb.

    Raises:
        ArtifactError: it cannot do that.
    """
    for name in _METHODS[verb]:
        if hasattr(model, name):
            return getattr(model, name)
    raise ArtifactError(f"dima {verb}: the model must be able to {verb}; got a {type(model).__name__}.")


def rows_for(model: Any, found: Table, data: str) -> Array:
    """The rows of a table, whose columns are those of the model.

    Raises:
        ShapeError: both have column names, and they differ.
    """
    names = getattr(model, "columns_", None)
    if None not in (names, found.columns) and names != found.columns:
        fix = "Pass the columns of the training table, in their order."
        raise ShapeError(f"{data}: columns must be those of the model; got others. {fix}")
    return found.values


def finish(
    to: Path,
    values: Array,
    common: Common,
    columns: list[str] | None = None,
    figures: dict[str, Any] | None = None,
) -> None:
    """Write the result, with column names where they are known, and say so."""
    targets.save(to, values, columns)
    figures = figures or {}
    if common.as_json:
        known = {"output": to, "shape": list(values.shape), "dtype": str(values.dtype)}
        output.json(known | figures)
    elif not common.quiet:
        beside = "".join(f", {name.replace('_', ' ')} {output.shown(v)}" for name, v in figures.items())
        output.lines(f"{to}: {values.shape[0]} x {values.shape[1]}{beside}")
