"""What is printed: a result as JSON or as plain aligned tables, notes on standard error."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["json", "lines", "note", "pairs", "shown", "stages", "table"]

_UNFOLDED = 1000  # columns off a terminal: a file is not folded, so `grep` finds whole lines


def json(result: Any) -> None:
    """Print a result, JSON-plain or NumPy numbers, as JSON; NaN and infinity become null."""
    encoded = msgspec.json.encode(result, enc_hook=_plain)
    print(msgspec.json.format(encoded, indent=2).decode())


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under a header; columns of numbers are aligned right."""
    _print(header, [list(row) for row in rows])


def pairs(values: Mapping[str, object]) -> None:
    """Print names and values, one a line; what is None is left out."""
    _print((), [[name, shown(value)] for name, value in values.items() if value is not None])


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
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    # rich takes a tenth of a second to import: only what shows a table pays for it.
    from rich.table import Table

    grid = Table(box=None, show_header=bool(header), pad_edge=False, padding=(0, 3, 0, 0))
    for axis, cells in enumerate(zip(*rows, strict=True)):
        right = bool(header) and all(map(_is_number, cells))
        title = header[axis] if header else ""
        grid.add_column(title, justify="right" if right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    console = _console()
    with console.capture() as captured:
        console.print(grid)
    # rich fills every line up to the widest; nobody wants the blanks.
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _console() -> "Console":
    from rich.console import Console

    # Data and paths are text, never markup.
    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _UNFOLDED
    return console


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "", 1).isdigit()


def _plain(value: Any) -> Any:
    """A NumPy number as Python's, a path as its text."""
    return value.item() if hasattr(value, "item") else str(value)
