"""What keeps the cells of a table in text apart: by its suffix, and not otherwise by its first two lines."""

import re
from pathlib import Path

from dima.data.table import unfit

__all__ = ["delimiter_of", "refuse_others"]

_CALLED = {",": "commas", ";": "semicolons", "\t": "tabs"}
_QUOTED = re.compile('"[^"]*"')
_EUROPEAN = re.compile(
    r"\s*[+-]?[0-9]*(,[0-9]+)?([eE][+-]?[0-9]+)?\s*"
)  # a number with a decimal comma, or none


def delimiter_of(path: Path) -> str:
    """What keeps cells apart in a file of this suffix."""
    return "\t" if path.suffix.lower() == ".tsv" else ","


def refuse_others(path: Path, first: str, second: str) -> None:
    """Refuse a file whose first two lines keep cells apart by something else than its suffix says.

    Raises:
        DataError: they do.
    """
    delimiter = delimiter_of(path)
    first, second = (_QUOTED.sub("", line.rstrip("\r\n")) for line in (first, second))
    for other in _CALLED.keys() - {delimiter, ","}:
        cells, is_even = second.split(other), first.count(other) == second.count(other) > 0
        has_commas = is_even and "," in second and all(map(_EUROPEAN.fullmatch, cells))
        if has_commas or (delimiter not in first and (is_even or first.count(other) > 1)):
            got = f"{_CALLED[other]} in its first line" + ", and decimal commas" * has_commas
            fix = "Save it with those, and with points in numbers."
            raise unfit(path, f"have cells apart by {_CALLED[delimiter]}", got, fix)
