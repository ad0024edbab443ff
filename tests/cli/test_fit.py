"""`dima fit`: what the flags say is what is fitted."""

import re

import numpy as np
import pytest

from cli.shell import FAST, circle
from dima.data import read, split
from dima.errors import DataError
from dima.model import persist
from dima.model.evaluate import evaluate
from dima.model.manifold_autoencoder import ManifoldAutoencoder


def test_flags_reach_the_parts(dima, desk, tmp_path):
    flags = ["--dmap.alpha", "0.5", "--dmap.t", "2", "--gplm.m=40", "--gplm.no-center-X", "--seed", "3"]
    ran = dima("fit", desk / "X.npy", "-o", tmp_path / "m", "--d", "3", "--no-prior", *flags)
    assert (ran.code, ran.err) == (0, "")
    model = persist.load(tmp_path / "m")
    assert (model.d, model.seed, model.prior_) == (3, 3, None)
    assert (model.dmap_.alpha, model.dmap_.t, model.dmap_.seed) == (0.5, 2.0, 3)
    assert (model.gplm_.m, model.gplm_.center_X, model.gplm_.seed) == (40, False, 3)


def test_model_is_that_of_the_library(desk):
    from_shell = persist.load(desk / "bare")
    X = np.load(desk / "X.npy", allow_pickle=False)
    direct = ManifoldAutoencoder(2, prior=None).fit(X)
    assert np.array_equal(from_shell.transform(X), direct.transform(X))


def test_result_as_json_and_nothing_else(dima, desk, tmp_path):
    ran = dima("fit", desk / "X.npy", "-o", tmp_path / "m", "--d", "2", "--no-prior", "--json")
    assert ran.err == ""
    assert (ran.json["training_rows"], ran.json["columns"], ran.json["d"]) == (90, 6, 2)
    assert [stage["name"] for stage in ran.json["stages"]] == ["tuning", "encoder", "decoder"]
    assert ran.json["model"] == str(tmp_path / "m")
    assert ran.json["prior"] is ran.json["report"] is None


def test_summary_for_people(dima, desk, tmp_path):
    out = dima("fit", desk / "X.npy", "-o", tmp_path / "my model", "--d", "2", *FAST).out
    for words in ("encoder", "peak MB", "neighbours k", "decoder ridge", "predicted error"):
        assert words in out
    assert f"Model: {tmp_path / 'my model'}" in out
    assert f"dima sample '{tmp_path / 'my model'}' -n 1000 -o samples.npy" in out


def test_report_holds_rows_out(dima, desk, tmp_path):
    line = ["fit", desk / "X.npy", "-o", tmp_path / "m", "--d", "2", "--no-prior", "-q"]
    ran = dima(*line, "--report", tmp_path / "r.html", "--hold-out", "0.3", "--seed", "5")
    assert ran == (0, "", "")
    train, _ = split.train_test(90, 0.3, 5)
    X = np.load(desk / "X.npy", allow_pickle=False)
    expected = ManifoldAutoencoder(2, prior=None, seed=5).fit(X[train])
    assert np.array_equal(persist.load(tmp_path / "m").transform(X), expected.transform(X))
    assert "<html" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_columns_of_words(dima, tmp_path):
    rows = [",".join([f"row {i}", *map(str, row)]) for i, row in enumerate(circle(50))]
    (tmp_path / "t.csv").write_text("\n".join(["name,a,b,c,d,e,f", *rows]), encoding="utf-8")
    line = ["fit", tmp_path / "t.csv", "-o", tmp_path / "m", "--d", "2", "--no-prior"]
    assert "'name'" in dima.refused(*line)
    ran = dima(*line, "--drop-text", "--columns", "raw", "--json")
    assert (ran.code, ran.json["left_out"], ran.err) == (0, ["name"], "Left out: name.\n")


def test_filled_cells_are_told_and_an_empty_column_is_filled(dima, tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        f"{x:.2f},{'' if at in (1, 4) else 'ab'[at % 2]},{at or ''}" for at, x in enumerate(rng.random(40))
    ]
    (tmp_path / "t.csv").write_text("\n".join(["x,kind,n", *rows]), encoding="utf-8")
    line = ["fit", tmp_path / "t.csv", "-o", tmp_path / "m", "--d", "2", "--columns", "raw"]
    ran = dima(*line, "--impute", "median")
    filled = "Filled 3 missing cells in 2 columns, words by the most frequent ('kind')"
    assert ran.err == f"{filled}; drawn rows have none missing.\n"
    assert "-o samples.csv" in ran.out
    (tmp_path / "new.csv").write_text("x,kind,n\n0.5,,\n0.1,,\n", encoding="utf-8")
    ran = dima("encode", tmp_path / "m", tmp_path / "new.csv", "-o", tmp_path / "z.npy")
    told = "Filled 4 missing cells in 2 columns; what is told of such rows is told of them as filled.\n"
    assert (ran.code, ran.err) == (0, told)
    assert dima("encode", tmp_path / "m", tmp_path / "new.csv", "-o", tmp_path / "z.npy", "-q").err == ""
    fill = persist.load(tmp_path / "m").fit_.rows.columns.fill
    (tmp_path / "same.csv").write_text(
        f"x,kind,n\n0.5,{'ab'[int(fill[1])]},{fill[2]:g}\n0.1,a,{fill[2]:g}\n", encoding="utf-8"
    )
    assert dima("encode", tmp_path / "m", tmp_path / "same.csv", "-o", tmp_path / "y.npy").code == 0
    z, y = (np.load(tmp_path / f"{name}.npy", allow_pickle=False) for name in "zy")
    assert np.array_equal(z[0], y[0])


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--hold-out", "0.3"], "--hold-out must be given with --report"),
        (["--report", "r.htm"], "-o: r.htm must be of a kind to write"),
        (["--report", "r.html", "--hold-out", "1"], "--hold-out"),
        (["--report", "r.html", "--hold-out", "0.05"], "at least 10 rows; got 4 of 90"),
        (["--no-prior", "--ddpm.T", "3"], "--no-prior must be given without --ddpm flags; got --ddpm.T"),
        (["--dmap.alhpa", "1"], "Did you mean --dmap.alpha?"),
        (["--dmap.d", "1"], "Unknown option: --dmap.d"),
        (["--dmap.k", "1"], "--dmap: k must be"),
        (["--dmap.sym", "median"], 'Choose from: "max", "mean"'),
        (["--gplm.m", "4.5"], '--gplm.m: "4.5" is not a whole number'),
        (["--ddpm.learning-rate", "nan"], "--ddpm: learning_rate must be"),
        (["--ddpm.device", "gpu"], "device must be one JAX finds"),
        (["--gplm.m", "5000", "--no-prior"], "5000"),
        (["--d", "0"], "dima fit: d must be"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_bad_flags(dima, desk, tmp_path, monkeypatch, flags, told):
    monkeypatch.chdir(tmp_path)
    assert told in dima.refused("fit", desk / "X.npy", "-o", "m", *flags)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("none.npy", "must be a file that exists"),
        ("X.xyz", "the suffix '.xyz'"),
        (".", "must be a file; got a folder"),
        ("nan.npy", "must have a cell that is not empty"),
        ("cube.npy", "must have shape (n, D)"),
        ("same.npy", "must differ"),
        ("one.npy", "1"),
    ],
)
def test_bad_data(dima, tmp_path, monkeypatch, data, told):
    monkeypatch.chdir(tmp_path)
    arrays = {"nan": np.full((9, 2), np.nan), "cube": np.ones((3, 3, 3)), "same": np.ones((9, 2))}
    for name, values in (arrays | {"one": np.ones((1, 2))}).items():
        np.save(f"{name}.npy", values)
    assert told in dima.refused("fit", data, "-o", "m", "--no-prior")


def test_every_fault_among_the_settings_is_told(dima, desk, tmp_path):
    ran = dima("fit", desk / "X.npy", "-o", tmp_path / "m", "--dmap.k", "1", "--dmap.alpha", "3")
    assert ran.code == 2
    assert re.findall(r"^--dmap: (\w+) must be", ran.err, re.M) == ["k", "alpha"]


def test_ten_held_out_rows_are_what_a_measurement_needs(desk):
    model, X = persist.load(desk / "bare"), circle(10, seed=2)
    assert evaluate(model, X).n_held_out == 10
    with pytest.raises(DataError):
        evaluate(model, X[:9])


def test_an_older_model_is_replaced_only_if_asked(dima, desk, tmp_path):
    line = ["fit", desk / "X.npy", "-o", tmp_path / "m", "--no-prior", "-q"]
    assert dima(*line, "--d", "2").code == 0
    assert "got an older saved model. Add --overwrite" in dima.refused(*line, "--d", "3")
    assert persist.load(tmp_path / "m").d_ == 2
    assert dima(*line, "--d", "3", "--overwrite").code == 0
    assert persist.load(tmp_path / "m").d_ == 3


def test_other_folders_are_left_alone(dima, desk, tmp_path):
    (tmp_path / "diary").write_text("mine", encoding="utf-8")
    assert "must be free, or an older saved model" in dima.refused("fit", desk / "X.npy", "-o", tmp_path)
    assert (tmp_path / "diary").read_text(encoding="utf-8") == "mine"


@pytest.fixture
def with_dates(tmp_path):
    """A table with a date, a name of each row and a column of words beside two of numbers."""
    rng, path = np.random.default_rng(0), tmp_path / "t.csv"
    a, b = rng.normal(size=(2, 60)).round(3)
    rows = [f"2024-01-{i % 28 + 1:02},{a[i]},row {i},{b[i]},{'red' if i % 3 else 'blue'}" for i in range(60)]
    path.write_text("\n".join(["day,a,id,b,colour", *rows]) + "\n", encoding="utf-8")
    return path


def test_columns_are_left_out_by_name_and_may_stay_in_the_file(dima, with_dates, tmp_path):
    line = ["fit", with_dates, "-o", tmp_path / "m", "--d", "2"]
    assert "dates in 'day'" in dima.refused(*line)
    ran = dima(*line, "--drop", "day", "--drop", "id", "--columns", "rank", "--json")
    assert (ran.code, ran.json["left_out"], ran.err) == (0, ["day", "id"], "Left out: day, id.\n")
    without = tmp_path / "without.csv"
    rows = [row.split(",") for row in with_dates.read_text(encoding="utf-8").splitlines()]
    without.write_text("\n".join(f"{a},{b},{colour}" for _, a, _, b, colour in rows) + "\n", encoding="utf-8")
    for data, name in ((with_dates, "Z.npy"), (without, "Y.npy")):
        ran = dima("encode", tmp_path / "m", data, "-o", tmp_path / name)
        assert (ran.code, ran.out) == (0, f"{tmp_path / name}: 60 x 2\n")
    Z, Y = (np.load(tmp_path / name, allow_pickle=False) for name in ("Z.npy", "Y.npy"))
    assert np.array_equal(Z, Y)
    assert dima("evaluate", tmp_path / "m", with_dates, "--train", with_dates).code == 0
    assert dima("sample", tmp_path / "m", "-n", "5", "-o", tmp_path / "new.csv").code == 0
    assert (tmp_path / "new.csv").read_text(encoding="utf-8").startswith("a,b,colour\n")


@pytest.mark.parametrize(("unit", "taken"), [(1.0, "over their spreads"), (99.0, "by rank: spreads differ")])
def test_columns_of_a_table_are_treated_and_it_says_how(dima, tmp_path, unit, taken):
    X = np.random.default_rng(0).standard_normal((60, 6)) * np.where(np.arange(6) == 2, unit, 1.0)
    rows = [",".join(map(str, row)) for row in X.tolist()]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,d,e,f", *rows]), encoding="utf-8")
    line = ["fit", tmp_path / "t.csv", "-o", tmp_path / "m", "--d", "2", "--json"]
    ran = dima(*line)
    assert (ran.code, ran.json["columns_taken"]) == (0, "rank" if unit > 1 else "standard")
    assert f"Columns were taken {taken}" in ran.err
    assert "--columns raw leaves them as they are." in ran.err
    direct = ManifoldAutoencoder(2).fit(read.table(tmp_path / "t.csv"))
    assert np.array_equal(persist.load(tmp_path / "m").sample(5), direct.sample(5))
    for flags in (["--columns", "raw"], ["--columns", "rank"], ["-q"]):
        assert dima(*line, "--overwrite", *flags).err == ""


def test_none_in_the_shell_is_none_of_the_library(dima, with_dates, tmp_path):
    line = ["fit", with_dates, "-o", tmp_path / "m", "--d", "2", "--drop", "day", "--drop", "id"]
    assert dima(*line, "--residual", "none", "--match", "none").code == 0
    model = persist.load(tmp_path / "m")
    assert (model.residual, model.match, model.fit_.scatter) == (None, None, None)


def test_a_column_to_leave_out_must_be_there(dima, with_dates, desk, tmp_path, monkeypatch):
    monkeypatch.chdir(with_dates.parent)
    line = ["-o", tmp_path / "m", "--drop", "day", "--drop", "id", "--drop", "bb"]
    there = "There are: day, id, a, b, colour."
    said = f"dima fit: --drop must name columns of t.csv; got 'bb'. {there}\n"
    assert dima.refused("fit", "t.csv", *line).endswith(said)
    assert "got 'day', and no column has a name." in dima.refused("fit", desk / "X.npy", *line)
