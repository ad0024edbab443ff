"""What is printed: a result as JSON or as plain aligned tables, notes on standard error."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

__all__ = ["in_words", "json", "lines", "note", "pairs", "shown", "stages", "table"]

_UNFOLDED = 1000  # columns off a terminal: a file is not folded, so `grep` finds whole lines


def json(result: Any) -> None:
    """Print a result, JSON-plain or NumPy numbers, as JSON; NaN and infinity become null."""
    # a NumPy number as Python's, a path as its text
    plain = lambda value: value.item() if hasattr(value, "item") else str(value)  # noqa: E731 used here alone
    print(msgspec.json.format(msgspec.json.encode(result, enc_hook=plain), indent=2).decode())


def pairs(values: Mapping[str, object]) -> None:
    """Print names and values, one a line; what is None is left out."""
    table((), [(name, shown(value)) for name, value in values.items() if value is not None])


def stages(measured: Iterable[Any]) -> None:
    """Print measured stages of a fit as a table."""
    rows = [(stage.name, f"{stage.seconds:.1f}", f"{stage.peak_mb:.0f}") for stage in measured]
    table(("stage", "seconds", "peak MB so far"), rows)


def lines(*texts: str) -> None:
    """Print lines as they are."""
    print("\n".join(texts))


def note(text: str) -> None:
    """Tell something beside the result."""
    print(text, file=sys.stderr)


def shown(value: object) -> str:
    """A value as a person reads it: four digits are enough."""
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def in_words(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same under names as a person reads them."""
    return {name.replace("_", " "): value for name, value in values.items()}


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows, under a header if there is one; there, columns of numbers are aligned right."""
    # rich takes a tenth of a second to import: only what shows a table pays for it.
    from rich.console import Console
    from rich.table import Table

    grid = Table(box=None, show_header=bool(header), pad_edge=False, padding=(0, 3, 0, 0))
    rows = list(rows)
    for axis, cells in enumerate(zip(*rows, strict=True)):
        is_right = bool(header) and all(map(_is_number, cells))
        title = header[axis] if header else ""
        grid.add_column(title, justify="right" if is_right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    # Data and paths are text, never markup.
    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _UNFOLDED
    with console.capture() as captured:
        console.print(grid)
    # rich fills every line up to the widest; nobody wants the blanks.
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "", 1).isdigit()
