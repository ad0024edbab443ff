"""Folders of pictures: what their classes are called, and what is refused."""

import numpy as np
import pytest
from PIL import Image

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
