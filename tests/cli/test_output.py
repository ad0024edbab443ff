"""What is printed is aligned for people and exact for machines."""

import json
from pathlib import Path

import numpy as np

from dima.cli import output


def test_json_is_exact_and_plain(capsys):
    value = {"a": np.float64(0.1), "n": np.int32(3), "path": Path("x/y"), "bad": float("nan"), "é": None}
    output.json(value)
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"a": 0.1, "n": 3, "path": "x/y", "bad": None, "é": None}


def test_table_aligns_numbers_right_and_words_left(capsys):
    output.table(("stage", "seconds", "note"), [("fit", "9.5", "slow"), ("decode", "10.25", "[red]")])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["stage    seconds   note", "fit          9.5   slow", "decode     10.25   [red]"]


def test_pairs_leave_out_none_and_shorten_numbers(capsys):
    output.pairs({"d": 16, "bandwidth": 1543.21987, "prior": None})
    assert capsys.readouterr().out.splitlines() == ["d           16", "bandwidth   1543"]


def test_long_cells_are_whole_off_a_terminal(capsys):
    output.pairs({"path": "a/" * 200})
    assert "a/" * 200 in capsys.readouterr().out


def test_nothing_at_all(capsys):
    output.table(("a", "b"), [])
    output.pairs({})
    assert "None" not in capsys.readouterr().out


def test_notes_stay_off_standard_output(capsys):
    output.note("beside")
    output.lines("a", "b")
    assert capsys.readouterr() == ("a\nb\n", "beside\n")


def test_lists_are_shown_one_after_another():
    assert output.shown(["a", 2, 0.123456]) == "a, 2, 0.1235"
