import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import dima as package
from close import assert_close
from dima import store
from dima.errors import ArtifactError, NotFittedError, ShapeError
from dima.latent.ddpm import DDPM
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model import persist
from dima.model.manifold_autoencoder import ManifoldAutoencoder

USE = {
    ManifoldAutoencoder: lambda m, X: (m.transform(X), m.sample(4, seed=1)),
    DMAP: lambda m, X: (m.transform(X),),
    GPLM: lambda m, X: (m.predict(X[:, :4] / 16),),
    DDPM: lambda m, X: (m.sample(4, seed=1), m.refine(X[:, :4] / 16, t_start=3)),
}


def parts(model):
    return [model, model.dmap_, model.gplm_, model.prior_]


@pytest.mark.parametrize("which", range(4))
def test_every_kind_comes_back_equal_to_the_bit(model, rows, tmp_path, which):
    saved = parts(model)[which]
    loaded = package.load(package.save(saved, tmp_path / "m"))
    assert type(loaded) is type(saved)
    X = rows[:7] + 0.25
    for was, now in zip(USE[type(saved)](saved, X), USE[type(saved)](loaded, X), strict=True):
        assert np.array_equal(was, now)


def test_a_new_process_gives_the_same_bits(model, rows, tmp_path):
    persist.save(model, tmp_path / "m")
    np.save(tmp_path / "X.npy", rows[:7] + 0.25)
    code = (
        "import sys, numpy as np, dima; folder = sys.argv[1]; m = dima.load(folder + '/m');"
        "Z = m.transform(np.load(folder + '/X.npy')); np.savez(folder + '/out.npz', Z=Z,"
        " X=m.inverse_transform(Z), S=m.sample(9, seed=4), R=m.refine(Z, t_start=5))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    out = np.load(tmp_path / "out.npz", allow_pickle=False)
    Z = model.transform(rows[:7] + 0.25)
    assert np.array_equal(out["Z"], Z)
    assert np.array_equal(out["X"], model.inverse_transform(Z))
    assert np.array_equal(out["S"], model.sample(9, seed=4))
    assert np.array_equal(out["R"], model.refine(Z, t_start=5))


def test_a_loaded_model_refits_to_the_same(model, rows, tmp_path):
    loaded = persist.load(persist.save(model, tmp_path / "m"))
    assert np.array_equal(loaded.fit(rows).transform(rows), model.transform(rows))


def test_a_model_without_a_prior_stays_without(rows, tmp_path):
    loaded = persist.load(persist.save(ManifoldAutoencoder(2, prior=None).fit(rows), tmp_path / "m"))
    assert loaded.prior_ is None


def test_column_names_survive(rows, tmp_path):
    frame = pd.DataFrame(rows[:, 20:28], columns=[f"pixel {i}" for i in range(8)])
    model = ManifoldAutoencoder(2, prior=None).fit(frame)
    loaded = persist.load(persist.save(model, tmp_path / "m"))
    assert list(loaded.feature_names_in_) == list(frame.columns)
    assert_close(loaded.transform(frame[frame.columns[::-1]]), model.transform(frame))
    with pytest.raises(ShapeError, match="columns must be those of the model; got none named 'pixel 0'"):
        loaded.transform(frame[frame.columns[1:]])


def test_an_unknown_kind_is_refused(tmp_path):
    store.save(tmp_path / "m", store.Artifact("alien", {}, {"a": np.zeros(2)}))
    with pytest.raises(ArtifactError, match=r"kind must be one of .* got 'alien'"):
        persist.load(tmp_path / "m")


def test_missing_parts_are_refused(model, tmp_path):
    settings, arrays = model.to_arrays()
    del arrays["autoencoder/gplm/M_mX"]
    store.save(tmp_path / "m", store.Artifact("manifold-autoencoder", settings, arrays))
    with pytest.raises(ArtifactError, match="must hold a whole manifold-autoencoder"):
        persist.load(tmp_path / "m")


def test_an_unfitted_model_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        persist.save(DMAP(2), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_the_card_says_what_the_model_is(model, tmp_path):
    card = (persist.save(model, tmp_path / "m") / "README.md").read_text()
    for words in ("training rows: 300", "columns: 64", "d: 4", "predicted error: 0.", "prior T: 20"):
        assert f"- {words}" in card


def test_the_manifest_tells_the_training_rows_apart(rows, tmp_path):
    def fingerprint(X, name):
        saved = persist.save(DMAP(2).fit(X), tmp_path / name)
        return json.loads((saved / "MANIFEST.json").read_text())["fingerprint"]

    assert fingerprint(rows, "a") == fingerprint(rows.copy(), "b")
    assert fingerprint(rows, "c") != fingerprint(rows + np.eye(300, 64), "d")
