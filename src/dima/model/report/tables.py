"""What the report says of a table: how honest generated rows are, and each column by itself."""

from typing import Any

from dima import check
from dima.figures import marginals, png
from dima.figures.report import Section, Table
from dima.model.evaluate import Evaluation
from dima.model.evaluate.samples import draws
from dima.model.evaluate.tables import MOST, plain_rows
from dima.model.report.subject import Subject
from dima.model.report.summary import (
    ROW_HEADERS,
    column_headers,
    column_summary,
    more_columns,
    row_summary,
)

__all__ = ["columns", "honesty"]

_HOW_TO_READ = (
    "Rows drawn by the model, training rows in their place and rows of Gaussian mixtures, each set against "
    "held-out rows: a classifier test that can only guess, .5, is best, a copy ratio is about 1 for new rows "
    "and 0 for copies, and distances, coverage and scores are best where they are as of training rows."
)
_WHICH_TESTS = (
    "The classifier tests here are by a forest of trees and by a regression on products, in the units of the "
    "columns; the C2ST accuracy above is by the better of a linear classifier and a support vector machine, "
    "in the numbers that the model works on."
)


def honesty(measured: Evaluation) -> Section | None:
    """Figures of generated rows beside those of training rows and of a mixture; None without."""
    rows = [list(row) for row in row_summary(measured)]
    if not rows:
        return None
    text = f"{_HOW_TO_READ} {_WHICH_TESTS}"
    return Section("Honesty of generated rows", text, tables=(Table(list(ROW_HEADERS), rows),))


def columns(model: Any, measured: Evaluation, subject: Subject) -> Section | None:
    """Held-out and generated rows column by column, and how well each is rebuilt; None for no table."""
    rows = [list(row) for row in column_summary(measured)]
    if not rows:
        return None
    fit = check.fitted(model)
    names = fit.rows.columns.shown_names
    pictures: tuple[bytes, ...] = ()
    text = "R^2 of the reconstruction is 1 at best, 0 for no better than the mean of the training rows."
    if fit.prior is not None:
        fake, _ = draws(model, min(fit.n_rows, MOST), subject.seed)
        real = plain_rows(model, subject.held_out)
        pictures = (png(marginals.marginals(real, fake, names, fit.rows.columns.words)),)
        text = f"Each column of held-out rows and of generated ones. {text}"
    return Section(
        "Columns", text, pictures, (Table(list(column_headers(measured)), rows, more_columns(measured)),)
    )
