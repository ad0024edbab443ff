"""A model as one file: complete on its own, and as hard to fool as the folder."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from dima.errors import ArtifactError
from dima.store import Artifact, load_single, save_single
from dima.store.seal import BLANK, seal
from store.faults import failing
from store.samples import assert_same, named_arrays, settings, small


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return save_single(tmp_path / "m.msgpack", tmp_path / "config.json", small())


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(settings, named_arrays)
def test_round_trip_is_exact(
    tmp_path: Path, given_settings: dict[str, Any], given_arrays: dict[str, Any]
) -> None:
    artifact = Artifact("toy.v1", given_settings, given_arrays)
    assert_same(load_single(save_single(tmp_path / "m", tmp_path / "c", artifact)), artifact)


def test_file_is_complete_on_its_own(file: Path) -> None:
    (file.parent / "config.json").unlink()
    assert_same(load_single(file), small())


def test_json_copy_is_the_folders_config(file: Path) -> None:
    told = json.loads((file.parent / "config.json").read_bytes())
    assert told["kind"] == "toy"
    assert told["settings"] == small().settings
    assert told["arrays"]["net/w"] == {"dtype": "float32", "shape": [2, 3]}


def test_file_is_plain_messagepack(file: Path) -> None:
    told = msgspec.msgpack.decode(file.read_bytes())
    assert list(told) == ["format", "digest", "kind", "settings", "arrays"]
    record = {array["name"]: array for array in told["arrays"]}["net/w"]
    assert (record["dtype"], record["shape"]) == ("float32", [2, 3])
    assert record["data"] == small().arrays["net/w"].tobytes()
    assert record["sha256"] == hashlib.sha256(record["data"]).hexdigest()


def test_order_of_arrays_does_not_matter(file: Path, tmp_path: Path) -> None:
    made = small()
    other = Artifact(made.kind, made.settings, dict(reversed(made.arrays.items())))
    save_single(tmp_path / "2", tmp_path / "c", other)
    assert (tmp_path / "2").read_bytes() == file.read_bytes()


def test_every_flipped_bit_is_found(file: Path) -> None:
    data = file.read_bytes()
    for at in range(len(data)):
        for flip in (*(1 << bit for bit in range(8)), 0xFF):
            broken = bytearray(data)
            broken[at] ^= flip
            file.write_bytes(broken)
            with pytest.raises(ArtifactError, match=r"^m\.msgpack: "):
                load_single(file)


def test_every_truncation_is_found(file: Path) -> None:
    data = file.read_bytes()
    for broken in (*(data[:size] for size in range(len(data))), data + b"\x00", data + data):
        file.write_bytes(broken)
        with pytest.raises(ArtifactError, match=r"^m\.msgpack: "):
            load_single(file)


def test_damaged_array_is_named(file: Path) -> None:
    data = file.read_bytes()
    at = data.index(small().arrays["net/w"].tobytes())
    file.write_bytes(data[:at] + b"\xff" + data[at + 1 :])
    with pytest.raises(ArtifactError, match=r"^m\.msgpack: net/w: its SHA-256 must be"):
        load_single(file)


def _first(change: dict[str, Any]) -> Callable[[dict[str, Any]], object]:
    return lambda told: told["arrays"][0].update(change)


# The first array is "ids": int32, two of them. Every lie comes under a digest that is true.
LIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "shape": (_first({"shape": [3]}), "ids: its size must be 12 bytes for int32 .3,.; got 8"),
    "huge": (_first({"shape": [2**62, 2**62]}), "ids: its size must be"),
    "negative": (_first({"shape": [-2]}), "of the known form"),
    "axes": (_first({"shape": [2] + [1] * 40}), "of the known form"),
    "empty, and longer than memory": (
        _first({"shape": [0, 2**62, 8], "data": b"", "sha256": hashlib.sha256().hexdigest()}),
        "ids: its shape must be one an array can have",
    ),
    "dtype": (_first({"dtype": "object"}), "of the known form"),
    "complex": (_first({"dtype": "complex64", "shape": [1]}), "of the known form"),
    "wider dtype": (_first({"dtype": "float64"}), "ids: its size must be 16 bytes"),
    "text as data": (_first({"data": "x" * 8}), "of the known form"),
    "name": (_first({"name": "__metadata__"}), "an array's name must be"),
    "terminal codes": (_first({"name": "\x1b[31m"}), "an array's name must be"),
    "name twice": (_first({"name": "net/w"}), "net/w: it must be written once"),
    "field of an array": (_first({"path": "/etc"}), "of the known form"),
    "field": (lambda told: told.update(module="os"), "of the known form"),
    "missing field": (lambda told: told.pop("kind"), "of the known form"),
    "kind": (lambda told: told.update(kind="a b"), "of the known form"),
    "newer": (lambda told: told.update(format=2, new=1), "Upgrade dima: pip install --upgrade"),
    "NaN": (lambda told: told.update(settings={"a": float("nan")}), "settings.a must be finite"),
    "bytes": (lambda told: told.update(settings={"a": b"x"}), "settings.a must be JSON-plain"),
    "extension": (
        lambda told: told.update(settings={"a": msgspec.msgpack.Ext(5, b"x")}),
        "settings.a must be JSON-plain",
    ),
    "too many": (lambda told: told.update(arrays=told["arrays"] * 1400), "of the known form"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lie_is_refused(file: Path, lie: str) -> None:
    change, rule = LIES[lie]
    told = msgspec.msgpack.decode(file.read_bytes())
    told["digest"] = BLANK
    change(told)
    file.write_bytes(seal(bytearray(msgspec.msgpack.encode(told))))
    with pytest.raises(ArtifactError, match=rf"^m\.msgpack: .*{rule}"):
        load_single(file)


def test_honest_rewrite_passes(file: Path) -> None:
    told = msgspec.msgpack.decode(file.read_bytes()) | {"digest": BLANK, "kind": "other"}
    file.write_bytes(seal(bytearray(msgspec.msgpack.encode(told))))
    assert load_single(file).kind == "other"


def test_replaced_array_is_found_without_its_digest(file: Path) -> None:
    told = msgspec.msgpack.decode(file.read_bytes())
    told["arrays"][0] |= {"data": bytes(8), "sha256": hashlib.sha256(bytes(8)).hexdigest()}
    file.write_bytes(msgspec.msgpack.encode(told))
    with pytest.raises(ArtifactError, match=r"^m\.msgpack: its digest must be"):
        load_single(file)


@pytest.mark.parametrize("data", [b"", b"\x80\x04K\x01.", b"PK\x03\x04", b"{}", b"\xde\xff\xff"])
def test_foreign_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"^m: "):
        load_single(tmp_path / "m")


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"m\.msgpack: it must be there"):
        load_single(tmp_path / "m.msgpack")


def test_two_files_need_two_names(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="config_path must be another file than path"):
        save_single(tmp_path / "m", tmp_path / "." / "m", small())


def test_folder_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(ArtifactError, match="m must be writeable; got Is a directory"):
        save_single(tmp_path / "m", tmp_path / "c", small())
    assert (tmp_path / "m").is_dir()


def test_array_beyond_the_format_is_refused(tmp_path: Path) -> None:
    # Four gigabytes that take no memory: one byte, seen again and again, is never touched.
    wide = np.lib.stride_tricks.as_strided(np.zeros(1, np.int8), (1 << 32,), (0,))
    with pytest.raises(ArtifactError, match="x must be at most 4294967295 bytes in a single file"):
        save_single(tmp_path / "m", tmp_path / "c", Artifact("toy", {}, {"x": wide}))


@pytest.mark.parametrize("call", ["open", "replace", "fsync"])
def test_old_or_new_loads_whatever_call_fails(file: Path, call: str) -> None:
    for nth in range(100):
        with failing(call, nth, forever=False) as reached:
            try:
                save_single(file, file.parent / "config.json", Artifact("new", {}, {}))
            except ArtifactError:
                assert reached
        assert {path.name for path in file.parent.iterdir()} == {"m.msgpack", "config.json"}
        assert load_single(file).kind in ({"toy", "new"} if reached else {"new"})
        if not reached:
            return
    pytest.fail("the save never came through")
