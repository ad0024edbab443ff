"""The report: sections of text, pictures and tables as one HTML page that needs nothing else."""

import base64
import dataclasses
import html as escaping
import re
from collections.abc import Sequence
from pathlib import Path

from dima.errors import DataError, ShapeError
from dima.files import replace_file

__all__ = ["Section", "Table", "html", "save_report"]

_PNG = b"\x89PNG\r\n\x1a\n"
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_NUMBER = re.compile(r"\W{0,2}\d.*|\W?|nan|inf", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the report: cells are text, columns of numbers are set flush right.

    Attributes:
        headers: one for each column.
        rows: each as long as the headers; the first cell names the row.
        note: a line below the table.
    """

    headers: list[str]
    rows: list[list[str]]
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of the report: paragraphs apart by an empty line, then pictures as PNG, then tables.

    Its title is also its entry in the table of contents.
    """

    title: str
    text: str = ""
    figures: tuple[bytes, ...] = ()
    tables: tuple[Table, ...] = ()


def html(title: str, summary: str, sections: Sequence[Section]) -> str:
    """One self-contained page: no script, no outside resource, every text escaped.

    The paragraphs of `summary`, apart by an empty line, stand below the title.

    Raises:
        DataError: a figure is no PNG.
        ShapeError: a row of a table is not as long as its headers.
    """
    numbered = list(enumerate(sections, start=1))
    entries = "".join(f'<li><a href="#section-{at}">{_safe(part.title)}</a></li>' for at, part in numbered)
    contents = f'<nav aria-label="Contents"><p>Contents</p><ol>{entries}</ol></nav>'
    body = "".join(_section(number, section) for number, section in numbered)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_safe(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{_safe(title)}</h1>{_paragraphs(summary)}</header>\n"
        f'<div class="page">{contents if entries else ""}<main>{body}</main></div>\n'
        "</body>\n</html>\n"
    )


def save_report(path: str | Path, html: str) -> None:
    """Write a page as UTF-8; the file appears whole or not at all.

    Raises:
        DataError: the folder does not exist, or the disk refused.
    """
    path = Path(path)
    if not path.parent.is_dir():
        rule = "in a folder that exists; got none there. Create it first."
        raise DataError(f"save_report: {path} must be {rule}")
    replace_file(path, html.encode(), "save_report")


def _safe(text: str) -> str:
    return escaping.escape(text, quote=True)


def _paragraphs(text: str) -> str:
    parts = [part.strip() for part in re.split(r"\n\s*\n", text)]
    return "".join(f"<p>{_safe(part)}</p>" for part in parts if part)


def _section(number: int, section: Section) -> str:
    figures = "".join(
        _figure(picture, f"{section.title}: picture {place} of {len(section.figures)}")
        for place, picture in enumerate(section.figures, start=1)
    )
    pictures = f'<div class="figures">{figures}</div>' if figures else ""
    tables = "".join(_table(table, section.title) for table in section.tables)
    return (
        f'\n<section id="section-{number}" aria-labelledby="title-{number}">'
        f'<h2 id="title-{number}">{_safe(section.title)}</h2>'
        f"{_paragraphs(section.text)}{pictures}{tables}</section>"
    )


def _figure(picture: bytes, description: str) -> str:
    if picture[:8] != _PNG or len(picture) < 24:
        got = "other bytes. Pass dima.figures.png(figure)."
        raise DataError(f"report: {description} must be a PNG; got {got}")
    # The size stands in the first chunk: with it the page does not jump while it loads.
    width, height = (int.from_bytes(picture[at : at + 4], "big") for at in (16, 20))
    data = base64.b64encode(picture).decode("ascii")
    return (
        f'<figure><img alt="{_safe(description)}" width="{width}" height="{height}" '
        f'src="data:image/png;base64,{data}"></figure>'
    )


def _table(table: Table, description: str) -> str:
    for row in table.rows:
        if len(row) != len(table.headers):
            got = f"{len(row)}. Give one cell for each header."
            raise ShapeError(f"report: a row of a table must be {len(table.headers)} cells long; got {got}")
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.headers)
    marks = [' class="number"' if _is_numeric(column) else "" for column in columns]
    named = zip(table.headers, marks, strict=True)
    head = "".join(f'<th scope="col"{mark}>{_safe(name)}</th>' for name, mark in named)
    body = "".join(f"<tr>{_cells(row, marks)}</tr>" for row in table.rows)
    note = f'<p class="note">{_safe(table.note)}</p>' if table.note else ""
    return (
        # A region that can be focused can be scrolled with the keyboard.
        f'<div class="table" role="region" tabindex="0" aria-label="Table: {_safe(description)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}"
    )


def _cells(row: Sequence[str], marks: Sequence[str]) -> str:
    rest = zip(row[1:], marks[1:], strict=True)
    first = f'<th scope="row"{marks[0]}>{_safe(row[0])}</th>' if row else ""
    return first + "".join(f"<td{mark}>{_safe(cell)}</td>" for cell, mark in rest)


def _is_numeric(column: Sequence[str]) -> bool:
    return any(column) and all(_NUMBER.fullmatch(cell.strip()) for cell in column)


_STYLE = """
:root { --paper: #fbfbf9; --card: #fff; --ink: #1d252d; --soft: #5a6672; --line: #e2e5e3; --accent: #1b66a6;
  --band: #f3f5f4; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181c; --card: #1b2127; --ink: #e4e8eb; --soft:
  #9aa6b1; --line: #2c343c; --accent: #7db9ea; --band: #20272e; } figure { filter: brightness(.9); } }
* { box-sizing: border-box; } html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.6 system-ui, -apple-system,
  "Segoe UI", Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif; }
header, .page { max-width: 70rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 3.5rem; padding-bottom: 1.75rem; }
h1 { margin: 0 0 .75rem; font-size: clamp(1.7rem, 4vw, 2.4rem); line-height: 1.15; letter-spacing: -.02em;
  text-wrap: balance; }
h1, h2, p, li, th, td { overflow-wrap: break-word; }
header p { max-width: 44rem; margin: 0 0 .6rem; font-size: 1.08rem; color: var(--soft); }
.page { display: grid; grid-template-columns: 12rem minmax(0, 1fr); gap: 3rem; padding-bottom: 5rem; }
nav { position: sticky; top: 1.5rem; align-self: start; max-height: calc(100vh - 3rem); overflow-y: auto;
  padding-top: 1.6rem; font-size: .9rem; line-height: 1.4; }
nav p { margin: 0 0 .6rem; color: var(--soft); font-size: .75rem; font-weight: 600; letter-spacing: .08em;
  text-transform: uppercase; }
nav ol { margin: 0; padding: 0; list-style: none; border-left: 1px solid var(--line); }
nav a { display: block; padding: .3rem 0 .3rem .9rem; margin-left: -1px; color: var(--ink); text-decoration:
  none; border-left: 2px solid transparent; }
nav a:hover, nav a:focus-visible { color: var(--accent); border-left-color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
section { padding: 1.6rem 0 2rem; border-top: 1px solid var(--line); }
h2 { margin: 0 0 .6rem; font-size: 1.3rem; line-height: 1.3; letter-spacing: -.01em; }
section > p { max-width: 44rem; margin: 0 0 .9rem; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.2rem 0; align-items: flex-start; }
figure { margin: 0; max-width: 100%; padding: .75rem; background: #fff; border: 1px solid var(--line);
  border-radius: 8px; }
img { display: block; max-width: 100%; height: auto; }
.table { overflow-x: auto; max-width: 100%; width: fit-content; margin: 1.2rem 0 .5rem; background:
  var(--card); border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; font-size: .93rem; font-variant-numeric: tabular-nums; }
th, td { padding: .5rem 1.1rem; text-align: left; vertical-align: top; overflow-wrap: normal; }
th[scope=row] { font-weight: 500; }
thead th { color: var(--soft); font-size: .8rem; font-weight: 600; background: var(--band); white-space:
  nowrap; vertical-align: bottom; }
tbody tr { border-top: 1px solid var(--line); } .number { text-align: right; white-space: nowrap; }
section > .note { font-size: .87rem; color: var(--soft); margin: 0 0 1.2rem; }
@media (max-width: 52rem) { header { padding-top: 2rem; } header, .page { padding-left: 1rem; padding-right:
  1rem; } .page { display: block; } nav { position: static; max-height: none; padding: 0 0 1.5rem; } th, td
  { padding: .45rem .75rem; } }
@media print { nav { display: none; } .page { display: block; } section { break-inside: avoid; } }
"""
