"""encode, decode, reconstruct and sample do what the library does, and refuse what it refuses."""

import numpy as np
import pytest

from cli.shell import FAST
from dima.data import read
from dima.model import persist
from dima.store.artifact import FILES


@pytest.fixture
def model(desk):
    return persist.load(desk / "model")


@pytest.fixture
def latents(model, desk, tmp_path):
    """Latents of new.npy, in a file."""
    read.save_table(tmp_path / "Z.npy", model.transform(np.load(desk / "new.npy", allow_pickle=False)))
    return tmp_path / "Z.npy"


def _written(path):
    return read.table(path).values


@pytest.mark.parametrize("suffix", [".npy", ".csv"])
def test_encode(dima, desk, model, tmp_path, suffix):
    ran = dima("encode", desk / "model", desk / "new.npy", "-o", tmp_path / f"Z{suffix}")
    assert ran == (0, f"{tmp_path / f'Z{suffix}'}: 40 x 2\n", "")
    assert np.array_equal(_written(tmp_path / f"Z{suffix}"), model.transform(_written(desk / "new.npy")))


def test_decode(dima, desk, model, latents, tmp_path):
    ran = dima("decode", desk / "model", latents, "-o", tmp_path / "X.npy", "--json")
    assert ran.json == {"output": str(tmp_path / "X.npy"), "shape": [40, 6], "dtype": "float64"}
    assert np.array_equal(_written(tmp_path / "X.npy"), model.inverse_transform(_written(latents)))


@pytest.mark.parametrize(
    ("flags", "settings"),
    [
        ([], {}),
        (
            ["--t-start", "5", "--no-add-noise", "--seed", "4"],
            {"t_start": 5, "add_noise": False, "seed": 4},
        ),
    ],
)
def test_decode_refined(dima, desk, model, latents, tmp_path, flags, settings):
    ran = dima("decode", desk / "model", latents, "-o", tmp_path / "X.npy", "--refine", "-q", *flags)
    assert ran == (0, "", "")
    expected = model.inverse_transform(model.refine(_written(latents), **settings))
    assert np.array_equal(_written(tmp_path / "X.npy"), expected)


def test_reconstruct_tells_the_error(dima, desk, model, tmp_path):
    ran = dima("reconstruct", desk / "model", desk / "new.npy", "-o", tmp_path / "X.npy", "--json")
    X, X_hat = _written(desk / "new.npy"), _written(tmp_path / "X.npy")
    assert np.array_equal(X_hat, model.inverse_transform(model.transform(X)))
    assert ran.json["error_over_variance"] == pytest.approx(1 - model.score(X))
    ran = dima("reconstruct", desk / "model", desk / "new.npy", "-o", tmp_path / "X.npy")
    assert ran.out.startswith(f"{tmp_path / 'X.npy'}: 40 x 6, error over variance 0.")


@pytest.mark.parametrize(
    ("flags", "settings"),
    [
        (["-n", "5"], {"n": 5}),
        (
            ["-n", "6", "--latent", "--solver", "ddpm", "--steps", "7", "--eta", "0.5", "--seed", "2"],
            {"n": 6, "decode": False, "solver": "ddpm", "steps": 7, "eta": 0.5, "seed": 2},
        ),
    ],
)
def test_sample(dima, desk, model, tmp_path, flags, settings):
    assert dima("sample", desk / "model", "-o", tmp_path / "X.npy", *flags).code == 0
    assert np.array_equal(_written(tmp_path / "X.npy"), model.sample(**settings))


def test_rows_of_classes_are_as_many_as_n_says(dima, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [f"{x:.3f},{y:.3f},{'ab'[at % 2]}" for at, (x, y) in enumerate(rng.standard_normal((40, 2)))]
    (tmp_path / "t.csv").write_text("\n".join(["x,y,kind", *rows]), encoding="utf-8")
    assert dima("fit", "t.csv", "-o", "m", "--label", "kind", "-q").code == 0
    asked = ["sample", "m", "-o", "s.csv", "--class"]
    for more, n in ((["a=3"], 3), (["a=3", "-n", "3"], 3), (["a", "-n", "7"], 7), (["a"], 1000)):
        assert dima(*asked, *more).out == f"s.csv: {n} x 3\n"
    told = "-n must be 5, the rows that --class asks for; got 7. Leave it out."
    assert told in dima.refused(*asked, "a=3", "--class", "b=2", "-n", "7")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("encode {m} none.npy -o Z.npy", "must be a file that exists"),
        ("encode none {d}/new.npy -o Z.npy", "must be a saved model"),
        ("encode {m} {d}/wide.npy -o Z.npy", "11"),
        ("encode {m} {d}/new.npy -o Z.txt", "must be of a kind to write"),
        ("encode {m} {d}/new.npy -o none/Z.npy", "must be in a folder that exists"),
        ("decode {m} {d}/wide.npy -o X.npy", "11"),
        ("decode none {d}/new.npy -o X.npy", "must be a saved model"),
        ("decode {m} none.npy -o X.npy", "must be a file that exists"),
        ("decode {m} {z} -o X.npy --t-start 3", "--t-start must be given with --refine"),
        ("decode {m} {z} -o X.npy --no-add-noise --t-start 1", "--t-start, --add-noise must be"),
        ("decode {m} {z} -o X.npy --refine --t-start 61", "t_start must be"),
        ("decode {m} {z} -o X.npy --refine --t-start -1", "t_start must be"),
        ("decode {d}/bare {z} -o X.npy --refine", "must be fitted with a prior"),
        ("reconstruct {m} {d}/wide.npy -o X.npy", "11"),
        ("reconstruct {m} none.npy -o X.npy", "must be a file that exists"),
        ("reconstruct none {d}/new.npy -o X.npy", "must be a saved model"),
        ("sample {d}/bare -o X.npy", "must be fitted with a prior"),
        ("sample none -o X.npy", "must be a saved model"),
        ("sample {m} -o X.npy -n 0", "Must be >= 1"),
        ("sample {m} -o X.npy -n 1.5", '"1.5" is not a whole number'),
        ("sample {m} -o X.npy --steps 61", "60"),
        ("sample {m} -o X.npy --steps 0", "0"),
        ("sample {m} -o X.npy --solver euler", '"euler"'),
        ("sample {m} -o X.npy --eta 2", "eta must be a finite number >= 0 and <= 1"),
        ("sample {m} -o X.xlsx", "must be of a kind to write"),
    ],
)
def test_refusals(dima, desk, latents, monkeypatch, line, told):
    folder = latents.parent
    monkeypatch.chdir(folder)
    tokens = line.format(m=desk / "model", d=desk, z=latents).split()
    assert told in dima.refused(*tokens)
    assert sorted(folder.iterdir()) == [latents]


@pytest.mark.parametrize("member", FILES)
@pytest.mark.parametrize("verb", ["encode", "info"])
def test_damaged_model(dima, desk, tmp_path, verb, member):
    model = tmp_path / "model"
    model.mkdir()
    for name in FILES:
        data = bytearray((desk / "model" / name).read_bytes())
        data[len(data) // 2] ^= name == member
        (model / name).write_bytes(data)
    rest = [desk / "new.npy", "-o", tmp_path / "Z.npy"] if verb == "encode" else []
    assert member in dima.refused(verb, model, *rest)


@pytest.fixture(scope="module")
def parts(desk, tmp_path_factory):
    """The parts of the model, each saved alone."""
    folder, model = tmp_path_factory.mktemp("parts"), persist.load(desk / "model")
    for name, part in {"dmap": model.dmap_, "gplm": model.gplm_, "ddpm": model.prior_}.items():
        persist.save(part, folder / name)
    return folder


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("encode {p}/dmap {d}/new.npy -o out.npy", (40, 2)),
        ("decode {p}/gplm {z} -o out.npy", (40, 6)),
        ("sample {p}/ddpm -n 7 -o out.npy", (7, 2)),
    ],
)
def test_a_part_alone_serves_the_verbs_it_can(dima, desk, parts, latents, monkeypatch, line, shape):
    monkeypatch.chdir(latents.parent)
    assert dima(*line.format(p=parts, d=desk, z=latents).split()).code == 0
    assert _written("out.npy").shape == shape


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "encode {p}/gplm {d}/new.npy -o out.npy",
            "dima encode: the model must be able to encode; got a GPLM",
        ),
        ("decode {p}/dmap {z} -o out.npy", "must be able to decode; got a DMAP"),
        ("decode {p}/gplm {z} -o out.npy --refine", "must be able to refine; got a GPLM"),
        ("sample {p}/dmap -o out.npy", "must be able to sample; got a DMAP"),
        ("reconstruct {p}/dmap {d}/new.npy -o out.npy", "must be a whole model, with encoder"),
        ("evaluate {p}/ddpm {d}/new.npy", "must be a whole model, with encoder and decoder"),
    ],
)
def test_and_says_which_it_cannot(dima, desk, parts, latents, monkeypatch, line, message):
    monkeypatch.chdir(latents.parent)
    assert message in dima.refused(*line.format(p=parts, d=desk, z=latents).split())


def test_a_csv_has_the_columns_the_model_learnt(dima, desk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["a", "b b", "c", "d", "e", "f"]
    read.save_table("named.csv", _written(desk / "X.npy"), names)
    assert dima("fit", "named.csv", "-o", "m", "--d", "2", "-q", *FAST).code == 0
    assert dima("sample", "m", "-n", "3", "-o", "s.csv").code == 0
    assert dima("reconstruct", "m", "named.csv", "-o", "r.csv").code == 0
    assert dima("encode", "m", "named.csv", "-o", "z.csv").code == 0
    assert dima("decode", "m", "z.csv", "-o", "x.csv").code == 0
    for name in ("s.csv", "r.csv", "x.csv"):
        assert read.table(name).names == names
    assert read.table("z.csv").names == ["z1", "z2"]
    read.save_table("moved.csv", _written(desk / "X.npy")[:, ::-1], names[::-1])
    assert dima("encode", "m", "moved.csv", "-o", "same.csv").code == 0
    assert np.array_equal(_written("same.csv"), _written("z.csv"))
    read.save_table("other.csv", _written(desk / "X.npy"), [*names[:-1], "g"])
    assert "columns must be those of the model; got none named 'f' and 'g' besides" in dima.refused(
        "encode", "m", "other.csv", "-o", "z.csv"
    )
    assert dima("encode", "m", desk / "new.npy", "-o", "z.csv").code == 0
