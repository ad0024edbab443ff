"""Folders of pictures: what their classes are called, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from close import assert_close
from data.images.test_own import write
from dima.data import images
from dima.data.images.pictures import class_names, read_folder
from dima.errors import DataError


def test_pictures_come_by_name_class_after_class(tmp_path):
    write(tmp_path / "dog", 7, 2)
    write(tmp_path / "cat", 5)
    found, labels, classes = read_folder(tmp_path)
    assert class_names(tmp_path) == ["cat", "dog"]
    assert (found[:, 0, 0].tolist(), labels.tolist(), classes) == ([5, 2, 7], [0, 1, 1], ("cat", "dog"))
    assert read_folder(tmp_path / "dog")[1:] == (None, None)


def test_pictures_of_two_sizes_and_none_at_all_are_refused(tmp_path):
    write(tmp_path / "set", 1)
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / "set" / "b.png")
    with pytest.raises(DataError, match=r"must have the shape of the first picture; got \(3, 4\) beside"):
        read_folder(tmp_path / "set")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"must hold \.png, \.jpg, \.jpeg pictures; got none"):
        read_folder(empty)


def test_folders_called_by_numbers_are_the_labels(tmp_path):
    for name in ("10", "3", "5"):
        write(tmp_path / name, 1, 2, 3, 4, 5)
    found = [images.load(tmp_path, part) for part in ("train", "test")]
    labels = np.concatenate([one.labels for one in found])
    assert sorted(labels.tolist()) == [3] * 5 + [5] * 5 + [10] * 5
    assert found[0].names().tolist() == found[0].labels.tolist()
    only = images.load(tmp_path, "train", only_digit=5)
    assert only.labels.tolist() == [5] * len(only.labels)


def test_pictures_beside_folders_of_classes_are_not_passed_over(tmp_path):
    write(tmp_path / "set" / "a", 3)
    write(tmp_path / "other", 1)
    (tmp_path / "other" / "001.png").rename(tmp_path / "set" / "001.png")
    with pytest.raises(DataError, match=r"pictures, or folders of pictures; got both, 001\.png among them"):
        images.load(tmp_path / "set")


def test_pictures_of_16_bits_keep_their_greys(tmp_path):
    wide = np.linspace(0, 65535, 2048).round().astype(np.uint16).reshape(32, 64)
    Image.fromarray(wide).save(tmp_path / "a.png")
    Image.fromarray(np.round(wide / 257).astype(np.uint8)).save(tmp_path / "b.png")
    found = images.load_given(tmp_path).images
    assert_close(found[0, 0], wide / 32767.5 - 1, atol=1 / 255 + 1e-6)
    assert_close(found[0], found[1])


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pictures_of_32_bits_are_refused(tmp_path, mode):
    Image.new(mode, (4, 4), 300).save(tmp_path / "a.png", "TIFF")
    with pytest.raises(DataError, match=r"a\.png must have 8 or 16 bits a channel; got 32 bits\. Save it"):
        read_folder(tmp_path)


def of_palette():
    """A picture of one colour, of a palette of four."""
    picture = Image.new("P", (4, 4), 3)
    picture.putpalette([*range(12)])
    return picture


SEE_THROUGH = {
    "grey": (Image.new("LA", (4, 4), (255, 0)), {}),
    "colours": (Image.new("RGBA", (4, 4), (255, 255, 255, 254)), {}),
    "palette": (of_palette(), {"transparency": 3}),
    "one grey": (Image.new("L", (4, 4), 7), {"transparency": 7}),
    "one grey of 16 bits": (Image.fromarray(np.full((4, 4), 700, np.uint16)), {"transparency": 700}),
}


@pytest.mark.parametrize("kind", SEE_THROUGH)
def test_transparent_pictures_are_refused(tmp_path, kind):
    picture, given = SEE_THROUGH[kind]
    picture.save(tmp_path / "a.png", **given)
    with pytest.raises(DataError, match=r"a\.png must be opaque; got transparent pixels\. Lay it on"):
        read_folder(tmp_path)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_pictures_whose_pixels_are_all_opaque_are_read(tmp_path, mode):
    plain = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).convert(mode.removesuffix("A"))
    plain.convert(mode).save(tmp_path / "a.png")
    plain.save(tmp_path / "b.png")
    found = read_folder(tmp_path)[0]
    assert_close(found[0], found[1])
    unused = {"transparency": 99 if mode == "LA" else (99, 99, 99)}
    plain.save(tmp_path / "a.png", **unused)
    assert_close(read_folder(tmp_path)[0], found)


def test_a_palette_with_a_clear_colour_that_no_pixel_has_is_read(tmp_path):
    of_palette().save(tmp_path / "a.png", transparency=1)
    assert read_folder(tmp_path)[0][0, 0, 0].tolist() == [9, 10, 11]
