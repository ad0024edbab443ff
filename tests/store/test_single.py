"""A model as one file: complete on its own, and as hard to fool as the folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from dima.errors import ArtifactError
from dima.store import Artifact, load, load_single, save, save_single
from dima.store.artifact import FILES
from faults import failing
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


def test_file_is_the_folders_members_in_messagepack(file: Path, tmp_path: Path) -> None:
    found = msgspec.msgpack.decode(file.read_bytes())
    folder = save(tmp_path / "folder", small())
    assert found == {"format": 1, "members": {name: (folder / name).read_bytes() for name in FILES}}


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
            with pytest.raises(ArtifactError, match=r"^m\.msgpack[:/]"):
                load_single(file)


def test_every_truncation_is_found(file: Path) -> None:
    data = file.read_bytes()
    for broken in (*(data[:size] for size in range(len(data))), data + b"\x00", data + data):
        file.write_bytes(broken)
        with pytest.raises(ArtifactError, match=r"^m\.msgpack[:/]"):
            load_single(file)


def test_damaged_member_is_named(file: Path) -> None:
    data = file.read_bytes()
    at = data.index(small().arrays["net/w"].tobytes())
    file.write_bytes(data[:at] + b"\xff" + data[at + 1 :])
    with pytest.raises(ArtifactError, match=r"^m\.msgpack/model\.safetensors: it must have"):
        load_single(file)


LIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "field": (lambda f: f.update(module="os"), "of the known form"),
    "missing field": (lambda f: f.pop("members"), "of the known form"),
    "newer": (lambda f: f.update(format=2, new=1), "Upgrade dima: pip install --upgrade"),
    "text as a member": (lambda f: f["members"].update({"README.md": 3}), "of the known form"),
    "member too many": (lambda f: f["members"].update({"code.py": b""}), "must be one of"),
    "terminal codes": (lambda f: f["members"].update({"\x1b[31m": b""}), "must be one of"),
    "member too few": (lambda f: f["members"].pop("config.json"), "it must be there"),
    "other member": (lambda f: f["members"].update({"README.md": b""}), "in the manifest"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lie_is_refused(file: Path, lie: str) -> None:
    change, rule = LIES[lie]
    found = msgspec.msgpack.decode(file.read_bytes())
    change(found)
    file.write_bytes(msgspec.msgpack.encode(found))
    with pytest.raises(ArtifactError, match=rf"^m\.msgpack.*{rule}") as error:
        load_single(file)
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"\x80\x04K\x01.", b"PK\x03\x04", b"{}", b"\xde\xff\xff"])
def test_foreign_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"^m: "):
        load_single(tmp_path / "m")


@pytest.mark.parametrize("data", [b"\x93NUMPY\x01\x00", b"import os\n", b"\x89PNG\r\n", b"a;b\n1;2\n"])
def test_a_file_of_another_kind_is_called_so(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.py").write_bytes(data)
    told = r"^m\.py: it must be a model or recipe .* got a file of another kind\. Check the path"
    with pytest.raises(ArtifactError, match=told):
        load(tmp_path / "m.py")


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


def test_arrays_beyond_the_format_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dima.store.artifact._MAX_MEMBER_BYTES", 99)
    with pytest.raises(ArtifactError, match="the arrays must be at most 99 bytes in a single file"):
        save_single(tmp_path / "m", tmp_path / "c", small())


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
