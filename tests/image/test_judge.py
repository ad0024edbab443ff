"""Held to the thousand images that come with dima, which are some of Fashion-MNIST's training set."""

import numpy as np
import pytest
import torch

from close import assert_close
from dima.data.images import load as load_images
from dima.errors import ArtifactError, DataError, DimaError, SettingError, ShapeError
from dima.image import judge

TEST = load_images("fashion-mnist-1000", "test")
TRAIN = load_images("fashion-mnist-1000", "train")
SHIPPED = list(judge._SHA256)
FEW = TEST.images[:9]


@pytest.fixture(scope="module")
def taught():
    return judge.fit_classifier(TRAIN.images[:400], TRAIN.labels[:400], epochs=5)


def accuracy(one):
    return np.mean(one.classify(TEST.images) == TEST.labels)


@pytest.mark.parametrize("shipped", [one for one in SHIPPED if one[1] == "fashion-mnist"])
def test_the_shipped_judges_know_their_subject(shipped):
    # A figure on new images stands in judges/README.md; these were among those it was trained on.
    assert accuracy(judge.load(*shipped)) > 0.85


@pytest.mark.parametrize("shipped", SHIPPED)
def test_features_are_rows_of_numbers_that_tell_images_apart(shipped):
    one = judge.load(*shipped)
    features = one.features(TEST.images)
    assert features.shape == (200, 96)
    assert features.dtype == np.float32
    assert (features >= 0).all()
    assert np.mean(features.std(axis=0) > 0) > 0.75
    assert one.classify(FEW).dtype == np.int64
    assert_close(one.features(TEST.images), features)


@pytest.mark.parametrize("shipped", SHIPPED)
def test_a_row_depends_on_its_own_image_alone(monkeypatch, shipped):
    one = judge.load(*shipped)
    whole = one.features(TEST.images)
    monkeypatch.setattr(judge, "_BLOCK", 7)
    assert_close(one.features(TEST.images), whole, atol=1e-4)
    assert_close(one.features(TEST.images[50:51]), whole[50:51], atol=1e-4)


def test_lenet_by_hand():
    # The definition, one window at a time, for one feature of the first layer and all that follows.
    weights = {name: array.astype(np.float64) for name, array in judge.load("lenet").arrays().items()}

    def convolved(x, kernel, bias):
        windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(1, 2))
        return np.einsum("cijuv,ocuv->oij", windows, kernel) + bias[:, None, None]

    x = FEW[0].astype(np.float64)
    for layer in ("first", "second"):
        x = np.maximum(convolved(x, weights[f"{layer}.weight"], weights[f"{layer}.bias"]), 0)
        x = x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2).max(axis=(2, 4))
    expected = np.maximum(weights["hidden.weight"] @ x.ravel() + weights["hidden.bias"], 0)
    assert_close(judge.load("lenet").features(FEW)[0], expected, atol=1e-3)


def test_a_judge_that_was_altered_is_refused(monkeypatch, tmp_path):
    name, data = SHIPPED[0]
    file = f"{name}-{data}.safetensors"
    stored = bytearray((judge._FOLDER / file).read_bytes())
    stored[-1] ^= 1
    monkeypatch.setattr(judge, "_FOLDER", tmp_path)
    with pytest.raises(ArtifactError, match="must be there"):
        judge.load(name, data)
    (tmp_path / file).write_bytes(stored)
    with pytest.raises(ArtifactError, match="must have the SHA-256"):
        judge.load(name, data)


def test_the_shipped_files_are_small_and_all_in_the_table():
    files = {path.stem: path.stat().st_size for path in judge._FOLDER.glob("*.safetensors")}
    assert set(files) == {"-".join(one) for one in SHIPPED}
    assert max(files.values()) < judge._MOST_BYTES
    assert sum(files.values()) < 2_000_000


def test_it_learns(taught):
    assert accuracy(taught) > 0.4  # chance is 0.1, and the images are few
    assert taught.features(FEW).shape == (9, 96)
    assert not any(one.requires_grad for one in taught.weights.values())


@pytest.mark.parametrize("network", judge.NETWORKS)
def test_a_fit_is_a_function_of_its_arguments(network):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again, other = (
        judge.fit_classifier(TRAIN.images[:150], TRAIN.labels[:150], seed=seed, epochs=1, network=network)
        for seed in (0, 0, 1)
    )
    assert first.network == network
    assert torch.equal(before, torch.get_rng_state())
    # On several threads sums may be taken in another order.
    assert_close(again.features(FEW), first.features(FEW), atol=1e-4)
    assert np.abs(other.features(FEW) - first.features(FEW)).max() > 1e-2


def test_images_are_moved_whole_and_leave_black():
    image = torch.full((64, 1, 28, 28), -1.0)
    image[:, :, 10:12, 14] = 1.0
    moved = judge._moved(image, torch.Generator().manual_seed(0))
    assert_close(moved.sum(dim=(1, 2, 3)), image.sum(dim=(1, 2, 3)))
    rows = moved[:, 0].amax(dim=2).argmax(dim=1) - 10
    columns = moved[:, 0].amax(dim=1).argmax(dim=1) - 14
    assert set(rows.tolist()) == set(columns.tolist()) == {-2, -1, 0, 1, 2}


def test_images_and_labels_are_left_alone():
    images, labels = TRAIN.images[:20].copy(), TRAIN.labels[:20].copy()
    judge.fit_classifier(images, labels, epochs=1)
    assert_close(images, TRAIN.images[:20])
    assert_close(labels, TRAIN.labels[:20])


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        (lambda one: one.features(FEW[:, 0]), ShapeError, r"must have shape \(n, 1, 28, 28\)"),
        (lambda one: one.classify(FEW[:, :, :27]), ShapeError, r"must have shape \(n, 1, 28, 28\)"),
        (lambda one: one.features(FEW[:0]), DataError, "at least one number"),
        (lambda one: one.features(FEW * np.nan), DataError, "must be finite"),
        (lambda one: one.features(255 * (FEW + 1) / 2), DataError, r"must be in \[-1, 1\]; got 0 to 255"),
        (
            lambda one: judge.fit_classifier(FEW, TEST.labels[:8]),
            ShapeError,
            r"labels must have shape \(9,\)",
        ),
        (lambda one: judge.fit_classifier(FEW, np.full(9, -1)), DataError, "labels must be whole numbers"),
        (lambda one: judge.fit_classifier(FEW, np.full(9, 0.5)), DataError, "labels must be whole numbers"),
        (lambda one: judge.fit_classifier(FEW, TEST.labels[:9], epochs=0), SettingError, "at least 1; got 0"),
        (lambda one: judge.fit_classifier(FEW, TEST.labels[:9], network="unet"), SettingError, "got 'unet'"),
        (lambda one: judge.load("lenet", "cifar"), SettingError, "lenet on mnist.*; got lenet on cifar"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(taught, asked, error, words):
    with pytest.raises(error, match=words) as refusal:
        asked(taught)
    assert isinstance(refusal.value, DimaError)
    assert "\n" not in str(refusal.value)
