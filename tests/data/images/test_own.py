"""Sets of your own: which images are for testing, and in which order they come."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from close import assert_close
from dima.data import images, npy
from dima.errors import DataError, DimaError
from faults import failing


def numbered(n):
    """(n, 4, 4) images that tell their number."""
    return np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None], (n, 4, 4)).copy()


def numbers(found):
    return np.round((found.images[:, 0, 0, 0] + 1) * 127.5).astype(int)


def store(place, values):
    """Images in an array file of either kind."""
    if place.suffix == ".npy":
        np.save(place, values)
    else:
        np.savez(place, images=values)


def write(place, *values):
    """Pictures of one grey each."""
    place.mkdir(parents=True)
    for value in values:
        Image.fromarray(np.full((4, 4), value, np.uint8)).save(place / f"{value:03d}.png")


def damage(place, where, flip):
    """Change bits of one byte of a file."""
    whole = bytearray(place.read_bytes())
    whole[where % len(whole)] ^= flip
    place.write_bytes(whole)


@pytest.mark.parametrize("n", [5, 23, 200])
@pytest.mark.parametrize("kind", ["a.npy", "a.npz", "folder"])
def test_a_fifth_is_held_out_and_every_image_goes_one_way(tmp_path, n, kind):
    place = tmp_path / kind
    if kind == "a.npy":
        np.save(place, numbered(n))
    elif kind == "a.npz":
        np.savez(place, images=numbered(n), labels=np.arange(n) // 10)
    else:
        write(place, *range(n))
    train, test = (images.load(place, split) for split in ("train", "test"))
    assert sorted([*numbers(train), *numbers(test)]) == list(range(n))
    assert abs(len(test.images) - n / 5) <= 1
    for part in (train, test):
        assert_close(numbers(part), part.rows)
        if part.labels is not None:
            assert_close(part.labels, part.rows // 10)
    assert_close(images.load(place, "test").rows, test.rows)


def test_the_first_images_are_of_all_classes(tmp_path):
    np.savez(tmp_path / "a.npz", images=numbered(200), labels=np.repeat([0, 1, 2, 3], 50))
    train, test = (images.load(tmp_path / "a.npz", split) for split in ("train", "test"))
    assert np.bincount(test.labels).tolist() == [10, 10, 10, 10]
    assert np.bincount(train.first(40).labels).min() >= 4


@pytest.mark.parametrize("classes", [("",), ("cat", "dog")])
def test_folders_of_train_and_test_images_are_taken_as_they_are(tmp_path, classes):
    for at, name in enumerate(classes):
        write(tmp_path / "train" / name, *range(20 * at, 20 * at + 9))
        write(tmp_path / "test" / name, *range(100 + 20 * at, 103 + 20 * at))
    train, test = (images.load(tmp_path, split) for split in ("train", "test"))
    assert max(numbers(train)) < 100 <= min(numbers(test))
    assert (len(train.images), len(test.images)) == (9 * len(classes), 3 * len(classes))
    assert not (np.diff(numbers(train)) > 0).all()
    if len(classes) == 2:
        assert train.classes == test.classes == ("cat", "dog")
        assert_close(train.labels, numbers(train) // 20)
    assert sorted(numbers(images.load_given(tmp_path))) == sorted(numbers(test))


def test_labels_agree_where_a_class_is_in_one_folder_only(tmp_path):
    write(tmp_path / "train" / "dog", 1, 2)
    write(tmp_path / "test" / "cat", 3)
    write(tmp_path / "test" / "dog", 4)
    train, test = (images.load(tmp_path, split) for split in ("train", "test"))
    assert set(train.names()) == {"dog"}
    assert dict(zip(numbers(test), test.names(), strict=True)) == {3: "cat", 4: "dog"}


def test_too_few_to_hold_some_out(tmp_path):
    np.save(tmp_path / "a.npy", numbered(4))
    assert len(images.load(tmp_path / "a.npy").images) == 4
    with pytest.raises(DataError, match="at least 5 images to keep some for testing; got 4"):
        images.load(tmp_path / "a.npy", "test")


def test_given_images_are_all_of_them_in_their_order(tmp_path):
    np.save(tmp_path / "a.npy", numbered(30))
    assert_close(numbers(images.load_given(tmp_path / "a.npy")), np.arange(30))
    known = images.load_given("fashion-mnist-1000").images
    assert_close(known, images.load("fashion-mnist-1000", "test").images)


def test_numbers_from_zero_to_one_are_said_to_be_grey(tmp_path):
    np.save(tmp_path / "unit.npy", np.linspace(0, 1, 10 * 16, dtype=np.float32).reshape(10, 4, 4))
    with pytest.warns(UserWarning, match=r"must be in \[-1, 1\]; got 0 to 1, so that 0 is taken for grey"):
        images.load(tmp_path / "unit.npy")


@pytest.mark.parametrize("label", [0.5, -1.0, np.nan])
def test_labels_that_are_no_classes_are_refused(tmp_path, label):
    labels = np.append(np.zeros(19), label)
    np.savez(tmp_path / "a.npz", images=numbered(20), labels=labels)
    with pytest.raises(DataError, match=r"labels of .*a\.npz must be"):
        images.load(tmp_path / "a.npz")


@given(st.integers(0, 10**6), st.integers(1, 255), st.sampled_from([np.savez, np.savez_compressed]))
def test_an_archive_with_any_byte_changed_is_right_or_refused(tmp_path_factory, where, flip, write_archive):
    place = tmp_path_factory.mktemp("npz") / "a.npz"
    write_archive(place, images=numbered(9))
    damage(place, where, flip)
    try:
        found = images.load_given(place)
    except DimaError:
        return
    assert_close(numbers(found), np.arange(9))


@pytest.mark.parametrize("where", range(128))
def test_a_header_with_any_byte_changed_is_read_or_refused(tmp_path, where):
    for flip in (1, 8, 128):
        np.save(tmp_path / "a.npy", numbered(9))
        damage(tmp_path / "a.npy", where, flip)
        with contextlib.suppress(DimaError):
            images.load_given(tmp_path / "a.npy")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(npy, "_UNPACKED_BYTES", 2**16)
    monkeypatch.setattr(npy, "_UNPACKED_RATIO", 10)
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((2**11, 8, 8), np.uint8))
    with pytest.raises(DataError, match=r"images: .*a\.npz must unpack to a reasonable size"):
        images.load(tmp_path / "a.npz")


@pytest.mark.parametrize("kind", ["a.npy", "a.npz"])
def test_an_array_file_that_cannot_be_opened_is_refused(tmp_path, kind):
    store(tmp_path / kind, numbered(5))
    with failing("open", 0, forever=True), pytest.raises(DataError, match=r"must be a readable array file"):
        images.load(tmp_path / kind)


@pytest.mark.parametrize("kind", ["a.npy", "a.npz"])
def test_images_of_a_file_are_the_callers_own(tmp_path, kind):
    stored = np.full((5, 3, 3), 0.5, np.float32)
    store(tmp_path / kind, stored)
    found = images.load_given(tmp_path / kind).images
    assert type(found) is np.ndarray
    found += 0.25
    assert_close(images.load_given(tmp_path / kind).images, stored[:, None])
