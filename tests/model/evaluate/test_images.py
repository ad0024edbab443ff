"""Figures of generated images: real images are at their floors, noise is far above, copies are found out."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from dima.data.images import load
from dima.errors import DataError, NotFittedError, SettingError, ShapeError
from dima.model.diffusion_autoencoder import DiffusionAutoencoder
from dima.model.diffusion_coder import DiffusionCoder
from dima.model.evaluate.images import (
    COLUMNS,
    Figure,
    compare_images,
    evaluate_images,
    shipped_judges,
    summary,
)
from dima.model.latent_diffusion import LatentDiffusion

SET, TEST = load("fashion-mnist-1000"), load("fashion-mnist-1000", "test")
REAL, TRAIN, HELD_OUT = SET.images[:400], SET.images[400:], TEST.images
LABELS = (SET.labels[400:], TEST.labels)
NOISE = np.random.default_rng(0).uniform(-1.0, 1.0, (200, 1, 28, 28)).astype(np.float32)


@pytest.fixture(scope="module")
def judges():
    return shipped_judges("fashion-mnist")


@pytest.fixture(scope="module")
def real(judges):
    return compare_images(REAL, TRAIN, HELD_OUT, judges=judges, labels=LABELS, n_permutations=99)


def by_name(figures):
    return {(one.name, one.extractor): one for one in figures}


def test_real_images_are_at_their_floors(real):
    found = by_name(real)
    names = ("sliced W2", "FID", "precision", "recall", "density", "coverage", "nearest-row ratio")
    for name in (*names, "accuracy taught by samples"):
        for one in (one for one in real if one.name == name):
            assert 0.6 < one.ratio < 1.6, one
    for judge in ("lenet", "residual"):
        assert found["KID p", judge].value > 0.01
        assert found["KID", judge].ratio is None
    assert found["C2ST accuracy", "lenet"].value < 0.65
    assert found["class total variation", "lenet"].value < 0.2


@pytest.mark.slow
def test_noise_is_far_above(judges, real):
    noise = by_name(compare_images(NOISE, TRAIN, HELD_OUT, judges=judges, labels=LABELS, n_permutations=99))
    assert noise["sliced W2", "pixels"].ratio > 3
    for judge in judges:
        assert noise["FID", judge].ratio > 5
        assert noise["KID p", judge].value == 0.01
        assert noise["coverage", judge].value < 0.2
    assert noise["C2ST accuracy", "lenet"].value > 0.95
    assert noise["class total variation", "lenet"].ratio > 3
    assert noise["accuracy taught by samples", "labels"].ratio < 0.8
    assert noise["nearest-row ratio", "pixels"].ratio > 1.5
    # Floors know nothing of the samples.
    assert [one.floor for one in noise.values()] == [one.floor for one in real]


def test_copies_of_training_images_are_found_out(judges):
    copies = by_name(compare_images(TRAIN[:200], TRAIN, HELD_OUT, judges=judges, n_permutations=9))
    assert copies["nearest-row ratio", "pixels"] == Figure("nearest-row ratio", 0.0, 1.0, 0.0, "pixels")
    assert ("class total variation", "lenet") not in copies


@pytest.mark.slow
def test_the_same_arguments_give_the_same_figures(judges, real):
    again = compare_images(REAL, TRAIN, HELD_OUT, judges=judges, labels=LABELS, n_permutations=99)
    assert again == real


@pytest.mark.slow
def test_labels_of_the_samples_are_believed(judges):
    few = {"lenet": judges["lenet"]}
    wrong = (SET.labels[:400] + 1) % 10
    found = compare_images(REAL, TRAIN, HELD_OUT, judges=few, labels=LABELS, fake_labels=wrong)
    assert by_name(found)["accuracy taught by samples", "labels"].value < 0.1


@pytest.mark.slow
def test_a_model_is_measured_with_its_reconstructions(judges):
    model = LatentDiffusion(PCA(8), prior={"n_iter": 60, "hidden_dim": 16, "T": 50}).fit(TRAIN)
    given = {"judges": judges, "labels": LABELS, "n": 100, "n_permutations": 9}
    found = evaluate_images(model, TRAIN, HELD_OUT, solver="ddim", steps=5, **given)
    assert found == evaluate_images(model, TRAIN, HELD_OUT, solver="ddim", steps=5, **given)
    named = by_name(found)
    chosen = np.random.default_rng(0).permutation(len(HELD_OUT))[:100]
    rebuilt = np.clip(model.decode(model.encode(HELD_OUT[chosen])), -1, 1)
    unit = (rebuilt - HELD_OUT[chosen]) / 2
    assert named["reconstruction MSE", "pixels"].value == pytest.approx(np.mean(unit**2), rel=1e-5)
    assert named["reconstruction MSE", "pixels"].floor is None
    for judge in judges:
        assert named["reconstruction FID", judge].floor == named["FID", judge].floor
    assert named["reconstruction nearest-row ratio", "pixels"].floor == 1.0


@pytest.mark.slow
def test_of_a_conditioned_decoder_it_is_told_whether_its_latents_are_used(judges):
    coder = DiffusionCoder(latent_dim=2, widths=(8, 16), epochs=1, batch_size=32, steps=2)
    model = DiffusionAutoencoder(coder, prior={"n_iter": 20, "hidden_dim": 8}).fit(TRAIN[:200])
    last = evaluate_images(model, TRAIN[:200], HELD_OUT, judges=judges, n=20, n_permutations=9)[-1]
    rows = np.random.default_rng(0).permutation(len(HELD_OUT))[:20]
    wanted = model.condition_used(HELD_OUT[rows], 0)
    assert (last.name, last.value, last.floor, last.ratio) == ("condition used", wanted, 1.0, wanted)


def test_rows_of_text_have_all_columns(real):
    rows = summary(real)
    assert len(rows) == len(real)
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert rows[0][0] == "sliced W2"


@pytest.mark.parametrize(
    ("changed", "error", "sentence"),
    [
        ({"fake": REAL[:9]}, DataError, "fake must hold at least 10 images; got 9"),
        ({"fake": REAL[:, :, :14]}, ShapeError, r"fake must be images of shape \(1, 28, 28\)"),
        ({"train": np.repeat(TRAIN, 3, axis=1)}, ShapeError, "train must be images of shape"),
        ({"held_out": 3 * HELD_OUT}, DataError, r"held_out must be in \[-1, 1\]"),
        ({"labels": (LABELS[0],)}, ShapeError, "labels must be those of train and those of held_out"),
        ({"labels": LABELS[::-1]}, ShapeError, "labels of train"),
        ({"labels": (LABELS[0] + 0.5, LABELS[1])}, DataError, "labels of train must be whole numbers"),
        ({"rebuilt": HELD_OUT[:50]}, ShapeError, "rebuilt must be as many as held_out, 200; got 50"),
        ({"judges": {}}, SettingError, "judges must be at least one"),
    ],
)
def test_bad_input_is_refused(judges, changed, error, sentence):
    given = {"fake": REAL, "train": TRAIN, "held_out": HELD_OUT, "judges": judges} | changed
    with pytest.raises(error, match=sentence):
        compare_images(given.pop("fake"), given.pop("train"), given.pop("held_out"), **given)


def test_a_set_without_judges_is_refused():
    with pytest.raises(SettingError, match="judge: name and data must be one of"):
        shipped_judges("cifar10")


def test_too_few_samples_and_an_unfitted_model_are_refused(judges):
    model = LatentDiffusion(PCA(2), prior=None)
    with pytest.raises(NotFittedError):
        evaluate_images(model, TRAIN, HELD_OUT, judges=judges)
    with pytest.raises(SettingError, match="n must be at least 10"):
        evaluate_images(model.fit(TRAIN), TRAIN, HELD_OUT, judges=judges, n=9)
