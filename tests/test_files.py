"""Files and folders appear whole or not at all, whatever fails and whenever."""

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dima.errors import ArtifactError, DataError, MemoryBudgetError
from dima.files import (
    list_folder,
    make_folder,
    read_plain_file,
    replace_file,
    replace_files,
    replace_folder,
    surviving,
)
from faults import failing

OLD, NEW = {"a": b"old", "b": b"old too"}, {"a": b"new", "b": b"new too"}
CALLS = ("open", "mkdir", "rename", "fsync", "rmdir", "unlink")


def _put(target: Path, members: dict[str, bytes]) -> None:
    replace_folder(target, members, Path.is_dir, "save")


def _held(target: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in surviving(target, "load").iterdir()}


def _tries(call: str, forever: bool, act: Callable[[], None]) -> Iterator[bool]:
    """Let the first, then the second, ... call fail, until `act` no longer comes that far."""
    for nth in range(100):
        with failing(call, nth, forever) as reached:
            try:
                act()
                done = True
            except DataError:
                done = False
        yield done
        if not reached:
            return


@pytest.mark.parametrize("forever", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("call", CALLS)
def test_folder_is_old_or_new_whatever_call_fails(tmp_path: Path, call: str, forever: bool) -> None:
    target = tmp_path / "m"
    _put(target, OLD)
    for done in _tries(call, forever, lambda: _put(target, NEW)):
        assert _held(target) == (NEW if done else OLD)
        assert {path.name for path in tmp_path.iterdir()} <= {"m", *_set_aside(tmp_path)}
        _put(target, OLD)  # heals whatever the failed save could not
        assert [path.name for path in tmp_path.iterdir()] == ["m"]


def _set_aside(folder: Path) -> set[str]:
    """What a disk that went on refusing kept us from putting back or clearing."""
    return {path.name for path in folder.glob(".dima-*")}


@pytest.mark.parametrize("call", ["open", "mkdir", "rename", "fsync"])
def test_one_failure_leaves_nothing_behind(tmp_path: Path, call: str) -> None:
    target = tmp_path / "m"
    outcomes = []
    for done in _tries(call, False, lambda: _put(target, NEW)):
        assert [path.name for path in tmp_path.iterdir()] == (["m"] if done else [])
        outcomes.append(done)
    for done in _tries(call, False, lambda: _put(target, OLD)):
        assert [path.name for path in tmp_path.iterdir()] == ["m"]
        assert _held(target) == (OLD if done else NEW)
        outcomes.append(done)
    assert outcomes.count(True) == 2  # each only when nothing failed any more
    assert outcomes.count(False) >= 2


@pytest.mark.parametrize("call", ["open", "replace", "fsync"])
def test_files_are_old_or_new_whatever_call_fails(tmp_path: Path, call: str) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    replace_files({one: b"old", two: b"old"}, "save")
    for done in _tries(call, False, lambda: replace_files({one: b"new", two: b"new"}, "save")):
        assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}
        assert {one.read_bytes(), two.read_bytes()} <= ({b"new"} if done else {b"old", b"new"})


def test_last_file_named_is_replaced_last(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    replace_files({one: b"old", two: b"old"}, "save")
    with failing("replace", 1, False), pytest.raises(DataError, match="two must be writeable"):
        replace_files({one: b"new", two: b"new"}, "save")
    assert (one.read_bytes(), two.read_bytes()) == (b"new", b"old")


KILLED = """
import os, sys
from pathlib import Path
from faults import dying
from dima.files import replace_folder
with dying(sys.argv[2], int(sys.argv[3])):
    replace_folder(Path(sys.argv[1]), {"a": b"new", "b": b"new too"}, Path.is_dir, "save")
"""


def _kill(target: Path, call: str, nth: int) -> None:
    """Save NEW in a process that dies at the `nth` call."""
    tests, source = Path(__file__).parent, Path(sys.modules["dima"].__path__[0]).parent
    env = os.environ | {"PYTHONPATH": f"{tests}{os.pathsep}{source}"}
    child = [sys.executable, "-c", KILLED, str(target), call, str(nth)]
    assert subprocess.run(child, env=env, timeout=60).returncode == 9


@pytest.mark.parametrize(("call", "nth"), [("fsync", 1), ("rename", 0), ("rename", 1), ("rmdir", 0)])
def test_killed_save_leaves_old_or_new_and_the_next_one_cleans_up(
    tmp_path: Path, call: str, nth: int
) -> None:
    target = tmp_path / "m"
    _put(target, OLD)
    _kill(target, call, nth)
    assert _set_aside(tmp_path)
    assert _held(target) == (NEW if call == "rmdir" else OLD)
    _put(target, {"c": b"next"})
    assert _held(target) == {"c": b"next"}
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_killed_save_and_then_a_failed_one_leave_the_old(tmp_path: Path) -> None:
    target = tmp_path / "m"
    _put(target, OLD)
    _kill(target, "rename", 1)
    assert not target.exists()
    with failing("mkdir", 0, False), pytest.raises(DataError, match="No space left"):
        _put(target, NEW)
    assert _held(target) == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_all_is_synced_before_it_is_renamed_and_the_rename_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    rename = os.rename

    def renamed(*paths: Any) -> None:
        done.append("rename")
        rename(*paths)

    monkeypatch.setattr(os, "fsync", lambda opened: done.append(os.fstat(opened).st_ino))
    monkeypatch.setattr(os, "rename", renamed)
    _put(tmp_path / "m", NEW)
    inodes = [(tmp_path / "m" / name).stat().st_ino for name in NEW]
    here, parent = (tmp_path / "m").stat().st_ino, tmp_path.stat().st_ino
    assert done == [*inodes, here, "rename", parent]


def test_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    target = tmp_path / "m"
    _put(target, OLD)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # the kernel's own refusal
    try:
        with pytest.raises(DataError, match=r"save: .*m must be writeable; got File too large"):
            _put(target, {"a": bytes(5000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert _held(target) == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_two_writers_take_turns(tmp_path: Path) -> None:
    target = tmp_path / "m"
    faults: list[Exception] = []

    def write(text: bytes) -> None:
        try:
            for _ in range(20):
                _put(target, {"a": text, "b": text})
        except DataError as fault:
            faults.append(fault)

    writers = [threading.Thread(target=write, args=(text,)) for text in (b"1", b"2")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not faults
    assert len(set(_held(target).values())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_what_is_not_replaceable_stays(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("mine")
    with pytest.raises(DataError, match="m must be free, or an older one of its kind"):
        _put(tmp_path / "m", NEW)
    assert (tmp_path / "m").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("name", ["x" * 255, "Größe κ é", " two  words ", "-rf", "a*[b]?"])
def test_any_name_a_system_takes(tmp_path: Path, name: str) -> None:
    for members in (OLD, NEW):
        _put(tmp_path / name, members)
        assert _held(tmp_path / name) == members
    replace_files({tmp_path / name / "x": b"1"}, "save")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_permissions_are_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    _put(tmp_path / "m", NEW)
    assert (tmp_path / "m").stat().st_mode == (tmp_path / "ours").stat().st_mode


def test_missing_parent_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none must be writeable; got No such file"):
        _put(tmp_path / "none" / "m", NEW)
    with pytest.raises(DataError, match="none must be writeable; got No such file"):
        replace_files({tmp_path / "none" / "m": b""}, "save")


@pytest.mark.parametrize("path", ["a\0b", "x" * 300])
def test_path_no_file_can_have_is_told(path: str) -> None:
    with pytest.raises(DataError, match="load: the path must be one a file can have"):
        surviving(path, "load")


def test_links_are_followed_to_the_place_itself(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(tmp_path / "m")
    assert surviving(tmp_path / "latest", "load") == (tmp_path / "m").resolve()
    replace_file(tmp_path / "latest", b"1", "save")
    assert (tmp_path / "m").read_bytes() == b"1"
    assert (tmp_path / "latest").is_symlink()


def test_content_may_be_what_writes_it(tmp_path: Path) -> None:
    replace_file(tmp_path / "m", lambda file: file.write(b"1"), "save")
    assert (tmp_path / "m").read_bytes() == b"1"


def test_writer_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    replace_file(tmp_path / "m", b"old", "save")
    with pytest.raises(ZeroDivisionError):
        replace_file(tmp_path / "m", lambda _: 1 / 0, "save")
    assert (tmp_path / "m").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_folder_in_the_way_of_a_file_stays(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(DataError, match="m must be writeable; got Is a directory"):
        replace_file(tmp_path / "m", b"", "save")
    assert (tmp_path / "m").is_dir()


def test_caller_names_itself_and_the_class_of_the_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"^run: .*none must be writeable"):
        replace_file(tmp_path / "none" / "m", b"", "run", ArtifactError)


def test_folders_are_made_once_with_those_above_and_a_file_in_the_way_stays(tmp_path: Path) -> None:
    for _ in range(2):
        assert make_folder(tmp_path / "a" / "b", "run").is_dir()
    (tmp_path / "file").write_bytes(b"mine")
    for taken in (tmp_path / "file", tmp_path / "file" / "b"):
        rule = rf"^run: {taken} must be a folder to write to; got .*\. Check .* or choose another place\.$"
        with pytest.raises(ArtifactError, match=rule):
            make_folder(taken, "run", ArtifactError)
    assert (tmp_path / "file").read_bytes() == b"mine"


def _odd(folder: Path) -> dict[str, Path]:
    """One of each thing that is not a plain file."""
    (folder / "plain").write_bytes(b"x")
    (folder / "link").symlink_to(folder / "plain")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    return {name: folder / name for name in ("link", "folder", "pipe", "missing")}


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    for path in _odd(tmp_path).values():
        with pytest.raises(DataError, match=r"^x: it must be (a plain file|there)"):
            read_plain_file(path, 100, "x")
    assert read_plain_file(tmp_path / "plain", 1, "x") == b"x"


def test_no_more_is_read_than_allowed(tmp_path: Path) -> None:
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 1 << 40)
    with pytest.raises(DataError, match=r"^x: its size must be at most 9 bytes"):
        read_plain_file(tmp_path / "sparse", 9, "x")


def test_no_memory_is_told(tmp_path: Path) -> None:
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 1 << 40)
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 40, before[1]))
    try:
        with pytest.raises(MemoryBudgetError, match="x: it must fit into memory"):
            read_plain_file(tmp_path / "sparse", 1 << 50, "x")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_what_the_system_refuses_to_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "x").touch()
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DataError, match="x: it must be readable; got Permission denied"):
        read_plain_file(tmp_path / "x", 1, "x")
    with pytest.raises(DataError, match="m: it must be readable; got Not a directory"):
        list_folder(tmp_path / "x", "m")


def test_listing_names_what_is_there(tmp_path: Path) -> None:
    _put(tmp_path / "m", NEW)
    assert list_folder(tmp_path / "m", "m") == {"a", "b"}
