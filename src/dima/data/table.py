"""What a table is, and the one judge of named columns read from a file."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dima.data.words import drop_all, drop_by_name, first_word, refuse_names
from dima.errors import DataError, DataTypeError, ShapeError
from dima.typing import Array, Float64

__all__ = [
    "TYPES",
    "Reading",
    "Table",
    "check_cells",
    "check_table",
    "refuse_blank",
    "shown_names",
    "type_of",
    "unfit",
]

TYPES = ("float", "int", "bool", "text")
_HUGE = 1e300  # below infinity
_SHOWN = 20  # names in a message


@dataclasses.dataclass(frozen=True)
class Table:
    """Columns of numbers, integers, booleans and words.

    Attributes:
        values: (n, D), one row per sample; read-only where it is memory-mapped. A column of words holds the
            index of each among them, NaN where a cell is missing.
        names: of the D columns where the file has them, else None.
        left_out: names of the columns in the file that are not in `values`.
        types: "float", "int", "bool" or "text" for each of the D columns; None where nothing is known.
        words: those of each column of words, by position.

    Example:
        >>> table = Table(np.array([[1.0, 0], [2, 1]]), ["a", "kind"], [], ("int", "text"), {1: ("x", "y")})
        >>> table.cells(1)
        ['x', 'y']
        >>> table.split_off("a")[1]
        [1, 2]
    """

    values: Array
    names: list[str] | None
    left_out: list[str]
    types: tuple[str, ...] | None = None
    words: Mapping[int, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    @property
    def shown_names(self) -> list[str]:
        """D names of columns; where there are none, their positions, from 1."""
        return shown_names(self.names or [""] * self.values.shape[1])

    def type_at(self, axis: int) -> str:
        """The type of one column."""
        return self.types[axis] if self.types else "float"

    def cells(self, axis: int) -> list[Any]:
        """One column as words, integers, booleans or floats; None where a cell is missing."""
        return self._spelt(axis, self.values[:, axis])

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Array | slice) -> "Table":
        """The table of some rows, given by an array of indices or a slice."""
        return dataclasses.replace(self, values=self.values[rows])

    def select(self, axes: Sequence[int]) -> "Table":
        """The table of some columns, given by their positions."""
        return dataclasses.replace(
            self,
            values=self.values[:, list(axes)],
            names=self.names and [self.names[axis] for axis in axes],
            types=self.types and tuple(self.types[axis] for axis in axes),
            words={new: self.words[old] for new, old in enumerate(axes) if old in self.words},
        )

    def without(self, name: str) -> "Table":
        """The table less the column of that name."""
        axis = self.shown_names.index(name)
        return self.select([other for other in range(len(self.shown_names)) if other != axis])

    def split_off(self, name: str) -> tuple["Table", list[Any]]:
        """The table without one column, and that column as words, integers, booleans or floats.

        Raises:
            DataError: there is no column of that name, there is no other, or one of its cells is missing.
        """
        names = self.shown_names
        if name not in names:
            there = ", ".join(names[:_SHOWN]) + ", ..." * (len(names) > _SHOWN)
            raise DataError(f"table: {name!r} must be one of its columns; got none. There are: {there}.")
        if len(names) == 1:
            raise DataError(f"table: other columns must stand beside {name!r}; got none. Pass more columns.")
        cells = self.cells(names.index(name))
        if None in cells:
            got, fix = f"an empty one in row {cells.index(None) + 1}", "Fill such cells or drop their rows."
            raise DataError(f"table: every cell of {name!r} must hold something; got {got}. {fix}")
        return self.without(name), cells

    def recoded(self, words: Mapping[int, Sequence[str]], owner: str, types: Sequence[str] = ()) -> "Table":
        """The same rows with words counted in other lists of them, by position of the column.

        Numbers in a column that shall hold words are taken as they are spelt: a file may hold none but
        "1" where another had "1" and "x". `types` are those the columns shall have, for the message.

        Raises:
            DataError: a word is not in its list, or a column holds words and shall not.
        """
        for axis in sorted(set(self.words) - set(words)):
            held = "true or false" if types[axis : axis + 1] == ("bool",) else "numbers"
            got, fix = f"words such as {first_word(self.words[axis])!r}", f"Pass {held} there."
            raise DataError(f"{owner}: column {self.shown_names[axis]!r} must hold {held}; got {got}. {fix}")
        values = np.array(self.values, np.float64)
        for axis, known in words.items():
            values[:, axis] = self._word_ix(axis, known, owner)
        axes = range(values.shape[1])
        types = tuple("text" if axis in words else self.type_at(axis) for axis in axes)
        copied = {axis: tuple(known) for axis, known in words.items()}
        return dataclasses.replace(self, values=values, types=types, words=copied)

    def _word_ix(self, axis: int, known: Sequence[str], owner: str) -> Float64:
        unique, inverse = np.unique(self.values[:, axis], return_inverse=True)
        index = {word: float(at) for at, word in enumerate(known)}
        spelt = self._spelt(axis, unique)
        word_ix = np.array([np.nan if cell is None else index.get(str(cell), -1.0) for cell in spelt])[
            inverse
        ]
        strange = np.flatnonzero(word_ix == -1)
        if len(strange):
            row = int(strange[0])
            got = f"{str(spelt[inverse[row]])!r} in row {row + 1}"
            fix = f"It can be {', '.join(known[:_SHOWN])}{', ...' * (len(known) > _SHOWN)}."
            raise DataError(
                f"{owner}: column {self.shown_names[axis]!r} must hold known words; got {got}. {fix}"
            )
        return word_ix

    def _spelt(self, axis: int, numbers: Array) -> list[Any]:
        """Numbers of one column in the words or the type of that column."""
        kind, is_there = self.type_at(axis), ~np.isnan(numbers)
        if kind == "text":
            word_ix = np.where(is_there, numbers, -1).astype(int)  # the last one is None
            return np.array([*self.words[axis], None], object)[word_ix].tolist()
        types: dict[str, Callable[[float], Any]] = {"int": round, "bool": bool}
        convert = types.get(kind, float)
        cells = np.full(len(numbers), None, object)
        cells[is_there] = [*map(convert, numbers[is_there].tolist())]
        return cells.tolist()


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a file may hold beside numbers: words to leave out, words to keep, missing cells.

    Columns whose names are in `drop` are left out, whatever they hold. With `blank`, a
    column may hold nothing.
    """

    drop_text: bool = False
    keep_words: bool = False
    missing: bool = False
    drop: Collection[str] = ()
    blank: bool = False


def unfit(file: Path | str, rule: str, got: str, fix: str, owner: str = "table") -> DataError:
    """The error for a file that its owner, a table if not named, cannot use."""
    return DataError(f"{owner}: {file} must {rule}; got {got}. {fix}")


def shown_names(names: Sequence[str]) -> list[str]:
    """Names of columns without outer spaces; a blank one is called by its position, from 1."""
    return [name.strip() or f"column {number}" for number, name in enumerate(names, start=1)]


def type_of(dtype: Any) -> str:
    """The type of a column of numbers, by the kind of its elements."""
    return {"b": "bool", "i": "int", "u": "int"}.get(dtype.kind, "float")


def check_cells(file: Path | str, found: Table, text: Mapping[int, str], reading: Reading) -> Table:
    """Judge columns: those with words are kept, dropped or refused, and missing cells are refused.

    Args:
        file: where the table comes from, for the message.
        found: every column; NaN marks a cell that is missing or that cannot be kept.
        text: for each column that cannot be kept, by position, an example for the message; an empty
            one where nothing is lost with it.
        reading: what the file may hold.

    Raises:
        DataError: a column cannot be kept and may not be dropped, its words hardly repeat or are dates, a
            cell is missing, or no column is left.
    """
    names = found.shown_names
    if reading.drop_text:
        text = {**dict.fromkeys(found.words, ""), **text}
    if found.names:
        text = {**text, **{axis: "" for axis, name in enumerate(names) if name in reading.drop}}
    lost = {axis: shown for axis, shown in sorted(text.items()) if shown}
    if lost and not reading.drop_text and not reading.keep_words:
        shown = ", ".join(f"{names[axis]!r} ({lost[axis]})" for axis in [*lost][:5])
        more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
        got = f"columns that are not numbers: {shown}{more}"
        raise unfit(file, "hold numbers", got, drop_all([]))
    if reading.keep_words:
        words = {names[axis]: listed for axis, listed in found.words.items() if axis not in text}
        strange = {} if reading.drop_text else {names[axis]: shown for axis, shown in lost.items()}
        fix = drop_by_name if found.names else drop_all
        refuse_names(f"table: {file}", words, len(found), fix, strange=strange)
    kept = [axis for axis in range(len(names)) if axis not in text]
    if not kept:
        raise unfit(file, "have a column of numbers", "none", "Pass numbers.")
    left_out = [*found.left_out, *(names[axis] for axis in sorted(text))]
    named = dataclasses.replace(found, names=found.names and names, left_out=left_out)
    table = named.select(kept) if text else named
    if not reading.missing:
        _refuse_missing(file, table)
    elif not reading.blank:
        refuse_blank(file, table)
    return table


def check_table(table: Table) -> None:
    """Hold a table to what it says of itself: names, types and words fit its values.

    Raises:
        ShapeError: not as many names or types as columns.
        DataTypeError: a type is unknown, or a column of words has no list of them.
        DataError: a number is none that its type can be.
    """
    width = table.values.shape[1]
    for what, listed in (("names", table.names), ("types", table.types)):
        if listed is not None and len(listed) != width:
            rule, fix = f"{width}, one for each column", "Pass as many."
            raise ShapeError(f"table: {what} must be {rule}; got {len(listed)}. {fix}")
    for axis, (name, kind) in enumerate(zip(table.shown_names, table.types or (), strict=False)):
        if kind not in TYPES or (kind == "text") != (axis in table.words):
            got = f"{kind!r} with{'' if axis in table.words else 'out'} words"
            rule, fix = f"one of {', '.join(TYPES)}, with words for text alone", "Choose one."
            raise DataTypeError(f"table: the type of {name!r} must be {rule}; got {got}. {fix}")
        column = table.values[:, axis]
        cells = column[~np.isnan(column)]
        ends = {"text": (0, len(table.words.get(axis, ())) - 1), "bool": (0, 1), "int": (-_HUGE, _HUGE)}
        low, high = ends.get(kind, (-np.inf, np.inf))
        is_index = kind in ("text", "bool")
        wrong = cells[(cells < low) | (cells > high) | (is_index & (cells != np.rint(cells)))]
        if len(wrong):
            rule, got = f"fit its type {kind!r}", f"{wrong[0]:g}"
            raise DataError(f"table: every cell of {name!r} must {rule}; got {got}. Check its numbers.")


def refuse_blank(file: Path | str, table: Table) -> None:
    """Refuse a column without a single cell that holds something.

    Raises:
        DataError: there is one.
    """
    suspects = np.flatnonzero(np.isnan(table.values[0]))  # of a file mapped into memory, few are touched
    blank = [axis for axis in suspects.tolist() if np.isnan(table.values[:, axis]).all()]
    if blank:
        got = f"only empty ones in {table.shown_names[blank[0]]!r}, first in row 1"
        raise unfit(file, "have a cell that is not empty in every column", got, "Drop that column.")


def _refuse_missing(file: Path | str, table: Table) -> None:
    missing = np.argwhere(np.isnan(table.values).T)  # by column, then by row
    if len(missing):
        column, row = missing[0]
        rule = f"have a number{' or a word' if table.words else ''} in every cell"
        got = f"an empty one in {table.shown_names[column]!r}, first in row {row + 1}"
        raise unfit(file, rule, got, "Fill such cells or drop their rows.")
