"""Sets of images from every place they may stand, and one sentence where they do not."""

import sys
import types
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
from PIL import Image

from close import assert_close
from dima.data import images
from dima.data.images import published
from dima.errors import DataError, DataTypeError, SettingError, ShapeError


def test_the_set_that_comes_with_dima():
    train, test = (images.load("fashion-mnist-1000", split) for split in ("train", "test"))
    assert (train.images.shape, test.images.shape) == ((800, 1, 28, 28), (200, 1, 28, 28))
    assert train.images.dtype == np.float32
    assert (train.images.min(), train.images.max()) == (-1, 1)
    labels = np.concatenate([train.labels, test.labels])
    assert np.bincount(labels).tolist() == [100] * 10
    assert test.classes[9] == "ankle boot"
    both = np.concatenate([train.images, test.images]).reshape(1000, -1)
    assert len(np.unique(both, axis=0)) == 1000
    # Trousers have a dark crotch and shirts do not: a nearest mean tells most classes apart.
    means = np.stack([both[:800][train.labels == label].mean(axis=0) for label in range(10)])
    nearest = ((both[800:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == test.labels).mean() > 0.6


def test_a_set_that_is_nowhere(monkeypatch, tmp_path):
    monkeypatch.delenv("DIMA_DATA", raising=False)
    with pytest.raises(
        DataError, match=r"must be found on this machine; got DIMA_DATA not set\. Put mnist/train"
    ):
        images.load("mnist")
    monkeypatch.setenv("DIMA_DATA", str(tmp_path))
    with pytest.raises(DataError, match="got none in DIMA_DATA="):
        images.load("fashion-mnist", "test")
    with pytest.raises(DataError, match="must be a set of images; got nothing there"):
        images.load("cifar")


def installed(monkeypatch, load_dataset):
    """As if there were a package `datasets` with that function."""
    module = types.ModuleType("datasets")
    module.__spec__, module.load_dataset = ModuleSpec("datasets", None), load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)


def unreachable(*_, **__):
    raise OSError("no route")


def test_a_cache_folder_is_filled_by_scikit_learn_where_the_hub_is_not_reached(monkeypatch, tmp_path, rng):
    asked = {}
    installed(monkeypatch, unreachable)

    class Bunch:
        data = rng.integers(0, 256, (70_000, 784), dtype=np.uint8)
        target = np.array([str(i % 10) for i in range(70_000)], dtype=object)

    monkeypatch.delenv("DIMA_DATA", raising=False)
    monkeypatch.setattr(
        "sklearn.datasets.fetch_openml", lambda name, **given: asked.update(name=name, **given) or Bunch
    )
    found = images.load("mnist", "test", cache_dir=tmp_path)
    assert (asked["name"], asked["data_home"]) == ("mnist_784", str(tmp_path))
    assert found.images.shape == (10_000, 1, 28, 28)
    assert_close(found.images[7].ravel(), Bunch.data[60_007] / 127.5 - 1, atol=1e-6)
    assert found.labels[:3].tolist() == [0, 1, 2]


def test_datasets_of_hugging_face_are_asked_first_where_they_are_installed(monkeypatch, tmp_path, rng):
    pixels, asked = rng.integers(0, 256, (3, 28, 28)).astype(np.uint8), []

    def load_dataset(path, split, cache_dir):
        asked.append((path, split, cache_dir))
        return {"image": [Image.fromarray(image) for image in pixels], "label": [7, 0, 2]}

    monkeypatch.delenv("DIMA_DATA", raising=False)
    installed(monkeypatch, load_dataset)
    found = images.load("fashion-mnist", "test", cache_dir=tmp_path)
    assert asked == [("zalando-datasets/fashion_mnist", "test", str(tmp_path))]
    assert_close(found.images[:, 0], pixels / 127.5 - 1, atol=1e-6)
    assert found.labels.tolist() == [7, 0, 2]


def test_no_network_is_one_sentence(monkeypatch, tmp_path):
    installed(monkeypatch, unreachable)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", unreachable)
    with pytest.raises(DataError, match="mnist must be found or downloaded; got no route"):
        published.fetch("mnist", "train", tmp_path)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_folder_of_pictures(tmp_path, rng, mode):
    shape = (8, 6) if mode == "L" else (8, 6, 3)
    pixels = rng.integers(0, 256, (4, *shape)).astype(np.uint8)
    for place, image in zip(["cat/b.png", "cat/a.png", "dog/a.png", "dog/b.png"], pixels, strict=True):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / place)
    found = images.load_given(tmp_path)
    assert (found.labels.tolist(), found.classes) == ([0, 0, 1, 1], ("cat", "dog"))
    assert found.images.shape == (4, 1 if mode == "L" else 3, 8, 6)
    first = pixels[1] if mode == "L" else pixels[1].transpose(2, 0, 1)
    assert_close(found.images[0], np.reshape(first, found.images.shape[1:]) / 127.5 - 1, atol=1e-6)
    flat = images.load(tmp_path / "dog")
    assert (len(flat.images), flat.labels) == (2, None)
    with pytest.raises(SettingError, match="only_digit must be left out without labels"):
        images.load(tmp_path / "dog", only_digit=1)


def test_pictures_that_cannot_be_used(tmp_path):
    with pytest.raises(DataError, match=r"must hold \.png, \.jpg, \.jpeg pictures; got none"):
        images.load(tmp_path)
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    Image.new("L", (5, 4)).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"b\.png must have the shape of the first picture"):
        images.load(tmp_path)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(DataError, match=r"b\.png must be a readable picture; got no known format\. Save it"):
        images.load(tmp_path)


def test_arrays(tmp_path, rng):
    pixels = rng.integers(0, 256, (5, 7, 7)).astype(np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    np.savez(tmp_path / "a.npz", images=pixels / 127.5 - 1, labels=np.arange(5))
    both = [images.load_given(tmp_path / name).images for name in ("a.npy", "a.npz")]
    assert_close(*both, atol=1e-6)
    train = images.load(tmp_path / "a.npz")
    known = train.labels[0]
    assert images.load(tmp_path / "a.npz", only_digit=int(known)).labels.tolist() == [known]
    with pytest.raises(DataError, match="must hold images of label 7; got none"):
        images.load(tmp_path / "a.npz", only_digit=7)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((4, 5)), ShapeError, r"must have shape \(n, h, w\)"),
        (np.zeros((4, 5, 2, 9, 9)), ShapeError, "must have shape"),
        (np.full((4, 5, 5), 3.0), DataError, r"numbers in \[-1, 1\]; got 3 to 3\. Pass bytes"),
        (np.full((4, 5, 5), np.nan), DataError, "must be finite"),
        (np.zeros((0, 5, 5)), DataError, "must hold at least one number"),
        (np.zeros((4, 5, 5), complex), DataTypeError, "must be real numbers"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, array, error, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(error, match=message):
        images.load(tmp_path / "a.npy")


def test_array_files_that_are_damaged(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object))
    (tmp_path / "b.npz").write_bytes(b"PK junk")
    np.savez(tmp_path / "c.npz", pictures=np.zeros((2, 3, 3)))
    for name, message in {
        "o.npy": "readable array file",
        "b.npz": "readable array",
        "c.npz": "called images",
    }.items():
        with pytest.raises(DataError, match=message):
            images.load(tmp_path / name)


def test_a_label_may_be_a_number_of_numpy():
    found = images.load("fashion-mnist-1000", "test", only_digit=np.int64(3))
    assert_close(found.labels, images.load("fashion-mnist-1000", "test", only_digit=3).labels)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"split": "validation"}, "split"),
        *(({"only_digit": wrong}, "only_digit") for wrong in (10, -1, 2.5, "3", True, np.True_)),
    ],
)
def test_settings_that_are_refused(given, named):
    with pytest.raises(SettingError, match=f"{named} must be"):
        images.load("fashion-mnist-1000", **given)
