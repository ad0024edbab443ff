"""evaluate and info tell what the library knows."""

import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from dima.data.read import table
from dima.metrics import rows as honesty
from dima.model import persist
from dima.model.evaluate import evaluate
from dima.model.report import Subject, build


def test_evaluate_is_the_library_s(dima, desk):
    ran = dima("evaluate", desk / "bare", desk / "new.npy", "--json")
    X = np.load(desk / "new.npy", allow_pickle=False)
    assert (ran.code, ran.err) == (0, "")
    assert ran.json == dataclasses.asdict(evaluate(persist.load(desk / "bare"), X))


def test_training_rows_are_told(dima, goods):
    ran = dima("evaluate", goods / "m", goods / "new.csv", "--train", goods / "train.csv")
    assert ran.err == ""
    lines, new = ((goods / f"{of}.csv").read_text(encoding="utf-8").splitlines() for of in ("train", "new"))
    model = dima("fit", goods / "train.csv", "-o", goods / "whole", "--label", "kind", "--d", "2", "-q")
    assert model.code == 0
    (goods / "turned.csv").write_text("\n".join([lines[0], *lines[:0:-1]]), encoding="utf-8")
    said = "All 80 rows are rows the model was fitted to: figures flatter. Pass rows it has not seen.\n"
    line = ["evaluate", goods / "whole", goods / "turned.csv", "--train", goods / "train.csv"]
    assert dima(*line).err == said
    assert dima(*line, "--json").json["is_training"]
    assert "held-out" not in dima(*line).out
    (goods / "mixed.csv").write_text("\n".join([*lines[:21], *new[1:]]), encoding="utf-8")
    ran = dima("evaluate", goods / "whole", goods / "mixed.csv")
    assert "20 of 50 rows equal rows the model was fitted to: figures flatter." in ran.err
    assert dima(*line, "--quiet").err == ""


def test_evaluate_for_people(dima, desk):
    ran = dima("evaluate", desk / "model", desk / "new.npy", "--n-samples", "30")
    assert ran.out.startswith("40 rows, d = 2\n\nfigure ")
    assert "PCA at d = 2: " in ran.out
    assert "sliced W2 of 30 samples" in ran.out


def test_a_page_is_written_of_a_saved_model(dima, desk, goods):
    rows = (
        np.load(desk / "new.npy", allow_pickle=False),
        table(str(goods / "new.csv"), keep_words=True, missing=True),
    )
    for model, data, X in (
        (desk / "model", desk / "new.npy", rows[0]),
        (goods / "m", goods / "new.csv", rows[1]),
    ):
        ran = dima("evaluate", model, data, "--report", desk / "page.html")
        assert (ran.code, ran.out.splitlines()[-1]) == (0, f"Report: {desk / 'page.html'}")
        opened = persist.load(model)
        labels = np.array(X.split_off("kind")[1]) if model == goods / "m" else None
        subject = Subject(f"{model.name} on {data.name}", X, labels)
        wanted = build(opened, evaluate(opened, X), subject)
        assert (desk / "page.html").read_text(encoding="utf-8") == wanted
    wrong = dima("evaluate", desk / "model", desk / "new.npy", "--report", desk / "page.pdf")
    assert wrong.code == 2
    assert ".html" in wrong.err


@pytest.fixture
def goods(dima, tmp_path, monkeypatch):
    """A folder with train.csv, new.csv and a model of them with labels, and its page."""
    monkeypatch.setattr(honesty, "_TREES", 15)
    rng = np.random.default_rng(0)
    for name, n in (("train", 80), ("new", 30)):
        kind = rng.choice(["new", "old"], n)
        rows = zip(rng.lognormal(size=n) + 4 * (kind == "new"), kind, rng.integers(0, 99, n), strict=True)
        lines = ["amount,kind,count", *(f"{amount:.3f},{of},{count}" for amount, of, count in rows)]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
    flags = ["--label", "kind", "--d", "2", "-q", "--report", tmp_path / "page.html"]
    assert dima("fit", tmp_path / "train.csv", "-o", tmp_path / "m", *flags) == (0, "", "")
    return tmp_path


def test_a_table_with_labels_is_measured_beside_its_training_table(dima, goods, monkeypatch):
    page = (goods / "page.html").read_text(encoding="utf-8")
    assert "Honesty of generated rows" in page
    assert "train on synthetic, accuracy" in page
    line = ["evaluate", goods / "m", goods / "new.csv"]
    ran = dima(*line)
    assert ran.err == "How honest generated rows are can be told with the training table: --train TABLE.\n"
    assert "generated rows" not in ran.out
    monkeypatch.setenv("COLUMNS", "80")
    ran = dima(*line, "--train", goods / "train.csv")
    assert ran.err == ""
    assert re.search(r"^generated rows +dima +training rows +mixture$", ran.out, re.M)
    assert re.search(r"^train on synthetic, accuracy +[01]\.\d{3} +[01]\.\d{3} +[01]\.\d{3}$", ran.out, re.M)
    assert re.search(r"^column +held-out R\^2\namount +[\d.]+\ncount +[\d.]+$", ran.out, re.M)
    assert max(map(len, ran.out.splitlines())) <= 80
    # Two columns of three: what needs the label is left out, and that is said.
    rows = [line.split(",") for line in (goods / "train.csv").read_text(encoding="utf-8").splitlines()]
    bare = "\n".join(f"{amount},{count}" for amount, _, count in rows)
    (goods / "bare.csv").write_text(bare, encoding="utf-8")
    ran = dima(*line, "--train", goods / "bare.csv")
    assert ran.err == "What generated rows teach can be told where both tables hold the column 'kind'.\n"
    assert "copy ratio" in ran.out
    told = dima(*line, "--train", goods / "train.csv", "--json").json
    assert [figure["name"] for figure in told["rows"]][-1] == "train on synthetic, accuracy"
    assert told["column_r2"].keys() == {"amount", "count"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("evaluate {d}/bare {d}/wide.npy", "11"),
        ("evaluate {d}/bare none.npy", "must be a file that exists"),
        ("evaluate none {d}/new.npy", "must be a saved model"),
        ("evaluate {d}/bare {d}/new.npy --n-samples 3", "Must be >= 10"),
        ("info none", "must be a saved model"),
        ("info {d}/new.npy", "new.npy"),
        ("info {d}", "must"),
    ],
)
def test_refusals(dima, desk, line, told):
    assert told in dima.refused(*line.format(d=desk).split())


def test_info_for_people(dima, desk):
    ran = dima("info", desk / "model")
    assert (ran.code, ran.err) == (0, "")
    for words in ("ManifoldAutoencoder", "training rows", "written with", "\nprior\n  T ", "ann_backend"):
        assert words in ran.out
    assert re.search("^  n_iter +20$", ran.out, re.M)
    assert "None" not in ran.out


def test_info_in_a_process_of_its_own_prints_json_alone(desk):
    call = [sys.executable, "-c", "from dima.cli import main; main()", "info", desk / "model", "--json"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["training_rows"], told["settings"]["prior"]["T"]) == (90, 60)
    assert told["file"]["bytes"] == sum(path.stat().st_size for path in (desk / "model").iterdir())


def test_info_of_a_single_file_and_of_a_part(dima, desk, tmp_path):
    model = persist.load(desk / "bare")
    persist.save_single(model, tmp_path / "m.msgpack", tmp_path / "config.json")
    told = dima("info", tmp_path / "m.msgpack", "--json").json
    assert (told["kind"], told["training_rows"], "written_with" in told["file"]) == (
        "ManifoldAutoencoder",
        90,
        False,
    )
    persist.save(model.gplm_, tmp_path / "gplm")
    told = dima("info", tmp_path / "gplm", "--json").json
    assert (told["kind"], told["settings"]["inducing"]) == ("GPLM", "kmeans_medoids")
    assert "GPLM" in dima("info", tmp_path / "gplm").out
