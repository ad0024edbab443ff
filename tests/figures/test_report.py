import base64
import os
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dima.errors import DataError, ShapeError
from dima.figures import png
from dima.figures.report import Section, Table, html, save_report
from dima.figures.scatter import scatter

PNG = png(scatter(np.zeros((2, 2))), dpi=30)
VOID = {"meta", "img"}
SECTIONS = [
    Section("Quality", "First.\n\nSecond.", (PNG,), (Table(["a", "b"], [["x", "1"]], "note"),)),
    Section("Time"),
]


class Page(HTMLParser):
    """What a browser would see: balanced tags, their attributes, and the text."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.text, self.by_tag = [], [], "", []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data
            self.by_tag.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def test_nothing_comes_from_outside_the_page():
    source = html("Title", "Summary", SECTIONS)
    page = Page(source)
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object"})
    assert "//" not in source.replace(base64.b64encode(PNG).decode(), "")
    assert "url(" not in source
    assert "@import" not in source


def test_contents_lead_to_the_sections():
    page = Page(html("Title", "", SECTIONS))
    links = [a["href"].removeprefix("#") for a in page.all("a")]
    assert links == [section["id"] for section in page.all("section")]
    assert [data for tag, data in page.by_tag if tag == "a"] == ["Quality", "Time"]
    assert [data for tag, data in page.by_tag if tag == "h2"] == ["Quality", "Time"]


def test_pictures_have_a_text_and_their_size():
    (image,) = Page(html("Title", "", SECTIONS)).all("img")
    assert image["alt"] == "Quality: picture 1 of 1"
    assert (image["width"], image["height"]) == ("192", "156")
    kind, data = image["src"].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == PNG


def test_paragraphs_and_notes():
    page = Page(html("Title", "One.\n\n\nTwo.", SECTIONS))
    assert [data for tag, data in page.by_tag if tag == "p"] == [
        "One.", "Two.", "Contents", "First.", "Second.", "note"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "is_right"),
    [
        (["1.5", "-2", "–"], True),
        (["< 0.01", "12 %", "1,437"], True),
        (["1.2 s", ""], True),
        (["k-means", "1"], False),
        (["", ""], False),
    ],
)
def test_numbers_are_set_flush_right(column, is_right):
    table = Table(["what", "value"], [["x", cell] for cell in column])
    page = Page(html("T", "", [Section("S", tables=(table,))]))
    assert {cell.get("class") == "number" for cell in page.all("td")} == {is_right}
    assert [cell.get("scope") for cell in page.all("th")] == ["col", "col", *["row"] * len(column)]


@given(st.text(max_size=40))
def test_every_text_is_escaped(text):
    hostile = f"<b onclick='x'>\"&{text}</style><script>"
    table = Table([hostile], [[hostile]], hostile)
    page = Page(html(hostile, hostile, [Section(hostile, hostile, (PNG,), (table,))]))
    plain = Page(html("a", "a", [Section("a", "a", (PNG,), (Table(["a"], [["a"]], "a"),))]))
    assert [tag for tag, _ in page.tags if tag != "p"] == [t for t, _ in plain.tags if t != "p"]
    assert page.all("img")[0]["alt"].startswith("<b onclick='x'>\"&")


@pytest.mark.parametrize(
    ("section", "kind", "word"),
    [
        (Section("S", figures=(b"GIF89a",)), DataError, "PNG"),
        (Section("S", tables=(Table(["a", "b"], [["x"]]),)), ShapeError, "2 cells"),
    ],
)
def test_what_is_refused(section, kind, word):
    with pytest.raises(kind, match=word):
        html("T", "", [section])


@pytest.mark.parametrize("sections", [[], [Section("S", tables=(Table([], []), Table(["a"], [])))]])
def test_empty_pages_and_tables(sections):
    assert Page(html("T", "", sections)).text.strip().startswith("T")


def test_save_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    save_report(path, "früher\n")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space"):
        save_report(path, "new")
    assert path.read_bytes() == "früher\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_save_needs_a_folder(tmp_path):
    with pytest.raises(DataError, match="folder that exists"):
        save_report(tmp_path / "none" / "report.html", "x")
