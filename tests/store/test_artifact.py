"""A model as a folder: whole, exact, and refused as soon as one byte is not what it was."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from dima.errors import ArtifactError
from dima.store import Artifact, load, save, save_single
from dima.store.artifact import FILES
from dima.store.manifest import read_manifest, write_manifest
from faults import failing
from store.samples import assert_same, named_arrays, reseal, safetensors_block, settings, small


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tmp_path / "m", small(), card="short")


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(settings, named_arrays)
def test_round_trip_is_exact(
    tmp_path: Path, given_settings: dict[str, Any], given_arrays: dict[str, Any]
) -> None:
    artifact = Artifact("toy.v1", given_settings, given_arrays)
    # The same folder each time: every example also replaces the one before it.
    assert_same(load(save(tmp_path / "m", artifact)), artifact)


def test_folder_holds_four_files(folder: Path) -> None:
    assert {file.name for file in folder.iterdir()} == set(FILES)
    manifest = read_manifest((folder / "MANIFEST.json").read_bytes(), "m")
    assert set(manifest.members) == set(FILES) - {"MANIFEST.json"}
    assert (folder / "README.md").read_text() == "short"


def test_same_model_gives_same_bytes(tmp_path: Path) -> None:
    one, two = save(tmp_path / "1", small()), save(tmp_path / "2", small())
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in FILES)


def test_short_card_says_how_to_open_it(tmp_path: Path) -> None:
    card = (save(tmp_path / "m", small()) / "README.md").read_text()
    assert "dima.load" in card


def test_fingerprint_is_kept(tmp_path: Path) -> None:
    saved = save(tmp_path / "m", small(), fingerprint="sha256:12")
    manifest = read_manifest((saved / "MANIFEST.json").read_bytes(), "m")
    assert manifest.fingerprint == "sha256:12"


def test_single_file_opens_too(tmp_path: Path) -> None:
    save_single(tmp_path / "m.msgpack", tmp_path / "c.json", small())
    assert_same(load(tmp_path / "m.msgpack"), small())


def test_link_to_a_folder_opens_and_is_saved_through(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "latest").symlink_to(folder)
    assert_same(load(tmp_path / "latest"), small())
    save(tmp_path / "latest", Artifact("other", {}, {}))
    assert load(folder).kind == "other"
    assert (tmp_path / "latest").is_symlink()


@pytest.mark.parametrize("name", FILES)
def test_every_changed_byte_is_found(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    for at in range(len(data)):
        for flip in (1 << at % 8, 0xFF):
            broken = bytearray(data)
            broken[at] ^= flip
            (folder / name).write_bytes(broken)
            with pytest.raises(ArtifactError, match=f"^m/{name}: "):
                load(folder)


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_found(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    for size in range(0, len(data), 3):
        (folder / name).write_bytes(data[:size])
        with pytest.raises(ArtifactError, match=f"^m/{name}: "):
            load(folder)
    (folder / name).write_bytes(data + b" ")
    with pytest.raises(ArtifactError, match=f"^m/{name}: "):
        load(folder)


@pytest.mark.parametrize("name", FILES)
def test_missing_member_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=f"^m/{name}: it must be there"):
        load(folder)


@pytest.mark.parametrize("name", FILES)
def test_link_in_place_of_a_member_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match=f"^m/{name}: it must be a plain file"):
        load(folder)


@pytest.mark.parametrize("name", ["notes.txt", "model.pt", "code.py", "sub"])
def test_extra_member_is_named(folder: Path, name: str) -> None:
    (folder / name).mkdir() if name == "sub" else (folder / name).touch()
    with pytest.raises(ArtifactError, match=f"^m/{name}: .*Move it out of the folder"):
        load(folder)


def _config(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change config.json and make the manifest true again."""
    config = json.loads((folder / "config.json").read_bytes())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    reseal(folder)


DECLARED = "m/model.safetensors: its arrays must be those declared in config.json"
LIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "shape": (lambda c: c["arrays"]["net/w"].update(shape=[3, 2]), DECLARED),
    "dtype": (lambda c: c["arrays"]["ids"].update(dtype="uint8"), DECLARED),
    "array too many": (lambda c: c["arrays"].update(x={"dtype": "int8", "shape": [1]}), DECLARED),
    "array too few": (lambda c: c["arrays"].pop("scale"), DECLARED),
    "NaN": (lambda c: c["settings"].update(d=float("nan")), "m/config.json: "),
    "newer": (lambda c: c.update(format=2), "m/config.json: its format.*Upgrade dima"),
    "field": (lambda c: c.update(module="os"), "m/config.json: .*unknown field"),
    "kind": (lambda c: c.update(kind="os.system('x')"), "m/config.json: "),
}


@pytest.mark.parametrize("lie", LIES)
def test_config_that_disagrees_is_refused(folder: Path, lie: str) -> None:
    change, told = LIES[lie]
    _config(folder, change)
    with pytest.raises(ArtifactError, match=told):
        load(folder)


def test_oversized_config_is_refused(folder: Path) -> None:
    _config(folder, lambda config: config["settings"].update(d="x" * (4 << 20)))
    with pytest.raises(ArtifactError, match=r"m/config\.json: its size must be at most 4194304"):
        load(folder)


def test_oversized_header_is_refused(folder: Path) -> None:
    block = safetensors_block(b"{" + b" " * (1 << 20) + b"}")
    (folder / "model.safetensors").write_bytes(block)
    reseal(folder)
    with pytest.raises(ArtifactError, match=r"m/model\.safetensors: its header must be at most"):
        load(folder)


def test_newer_folder_asks_for_an_upgrade(folder: Path) -> None:
    text = (folder / "MANIFEST.json").read_text()
    (folder / "MANIFEST.json").write_text(text.replace('"format": 1', '"format": 7, "new": 1'))
    with pytest.raises(ArtifactError, match=r"m/MANIFEST\.json: .*got 7. Upgrade dima: pip install"):
        load(folder)


def test_manifest_of_other_members_is_refused(folder: Path) -> None:
    members = {name: (folder / name).read_bytes() for name in FILES if name != "README.md"}
    (folder / "MANIFEST.json").write_bytes(write_manifest(members))
    with pytest.raises(
        ArtifactError, match=r"m/README\.md: it must have the size and SHA-256 in the manifest"
    ):
        load(folder)


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"load: .*none must be a saved model; got nothing"):
        load(tmp_path / "none")
    with pytest.raises(ArtifactError, match=r"README\.md: it must be there"):
        load(tmp_path)


def _with_file(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


MINE: dict[str, Callable[[Path], object]] = {
    "a file": lambda m: m.write_text("mine"),
    "a folder of notes": lambda m: _with_file(m, "notes.txt", "mine"),
    "another library's model": lambda m: _with_file(m, "config.json", "{}"),
    "another manifest": lambda m: _with_file(m, "MANIFEST.json", "{}"),
    "a model with notes": lambda m: _with_file(save(m, small()), "notes.txt", "mine"),
}


@pytest.mark.parametrize("case", MINE)
def test_what_is_not_a_saved_model_is_never_replaced(tmp_path: Path, case: str) -> None:
    MINE[case](tmp_path / "m")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    with pytest.raises(ArtifactError, match="m must be free, or an older one of its kind"):
        save(tmp_path / "m", small())
    assert before == {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    assert_same(load(save(tmp_path / "m", small())), small())


@pytest.mark.parametrize("forever", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("call", ["open", "mkdir", "rename", "fsync"])
def test_old_or_new_loads_whatever_call_fails(folder: Path, call: str, forever: bool) -> None:
    for nth in range(100):
        with failing(call, nth, forever) as reached:
            try:
                save(folder, Artifact("new", {}, {}))
            except ArtifactError:
                assert reached
        assert load(folder).kind == ("toy" if reached else "new")
        if not reached:
            return
    pytest.fail("the save never came through")


def test_unfit_artifact_leaves_no_trace(tmp_path: Path) -> None:
    for artifact in (
        Artifact("toy", {"a": b"x"}, {}),
        Artifact("toy", {}, {"x": np.array([None])}),
        Artifact("a b", {}, {}),
    ):
        with pytest.raises(ArtifactError):
            save(tmp_path / "m", artifact)
    with pytest.raises(ArtifactError, match=r"save: README\.md must be at most"):
        save(tmp_path / "m", small(), card="x" * (1 << 20) + "x")
    assert list(tmp_path.iterdir()) == []


def test_copied_folder_opens_anywhere(folder: Path, tmp_path: Path) -> None:
    assert_same(load(shutil.copytree(folder, tmp_path / "deeper" / "other name")), small())


WATCHED = """
import sys
from pathlib import Path
from dima.store import load

inside, seen = sys.argv[1], []
LOUD = ('socket.', 'subprocess.', 'os.system', 'os.exec', 'exec', 'compile', 'import')

def watch(event, args):
    if event.startswith(LOUD):
        seen.append((event, str(args[:1])))
    if event == "open" and not str(args[0]).startswith(inside) and not isinstance(args[0], int):
        seen.append((event, str(args[0])))

load(inside)  # once before: what it imports late is not what is watched
sys.addaudithook(watch)
load(inside)
print(seen)
"""


def test_loading_runs_and_touches_nothing_else(folder: Path) -> None:
    child = [sys.executable, "-c", WATCHED, str(folder)]
    done = subprocess.run(child, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_the_models_of_a_run_are_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("model", "best_model"):
        save(run / name, small())
    (run / "README.md").write_text("notes")
    told = f"^run: it must be .* Pass one inside: {run / 'best_model'}, {run / 'model'}\\.$"
    with pytest.raises(ArtifactError, match=told):
        load(run)


def test_a_folder_of_other_things_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").touch()
    told = r"^photos: it must be .* folder with MANIFEST\.json or .*; got a folder of other files"
    with pytest.raises(ArtifactError, match=told):
        load(tmp_path / "photos")
