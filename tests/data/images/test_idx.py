"""IDX files written by hand are read by name, and only the published ones are taken."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from close import assert_close
from dima.data import images
from dima.data.images import idx
from dima.errors import DataError


def idx_bytes(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">I", size) for size in array.shape)
    return head + array.tobytes()


@pytest.fixture
def home(tmp_path, monkeypatch, rng):
    """A folder with a small "mnist", whose digests are taken for the published ones."""
    pixels = rng.integers(0, 256, (20, 28, 28)).astype(np.uint8)
    labels = np.arange(20, dtype=np.uint8) % 10
    files = dict(zip(idx.names("mnist", "test"), map(idx_bytes, (pixels, labels)), strict=True))
    digests = tuple(hashlib.sha256(data).hexdigest() for data in files.values())
    monkeypatch.setitem(idx.SETS, "mnist", {"test": digests, "train": digests})
    monkeypatch.setenv("DIMA_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    for name, data in files.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
    return tmp_path, pixels, labels, files


def test_idx_files_by_name(home):
    folder, pixels, labels, files = home
    found = images.load("mnist", "test")
    assert_close(found.images[:, 0], pixels / 127.5 - 1, atol=1e-6)
    assert found.labels.tolist() == labels.tolist()
    for name, data in files.items():
        (folder / f"{name}.gz").unlink()
        (folder / name.removeprefix("mnist/")).write_bytes(data)  # not gzipped, right in the folder
    assert_close(images.load("mnist", "test").images, found.images)


def test_one_digit(home):
    found = images.load("mnist", "test", only_digit=3)
    assert found.labels.tolist() == [3, 3]
    assert_close(found.images[:, 0], home[1][[3, 13]] / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: b"junk", lambda data: data[:40] + b"x" + data[41:]]
)
def test_a_damaged_idx_file(home, damage):
    path = home[0] / f"{idx.names('mnist', 'test')[0]}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"images-idx3-ubyte\.gz must (be a readable file|have the SHA-256)"):
        images.load("mnist", "test")
