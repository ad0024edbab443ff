"""Settings and shapes as readable JSON: what is plain passes unchanged, the rest is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from dima.errors import ArtifactError
from dima.store.contents import Artifact, from_members, plain_settings, to_members
from dima.store.manifest import write_manifest
from store.samples import settings, small


@given(settings)
def test_settings_come_back_exactly(given_settings: dict[str, Any]) -> None:
    found = from_members(to_members(Artifact("toy", given_settings, {}), ""), "m").settings
    # The text tells 1 from 1.0 from True, and 0.0 from -0.0.
    assert repr(found) == repr(given_settings)


def test_config_is_readable_json() -> None:
    assert json.loads(to_members(small(), "")["config.json"]) == {
        "format": 1,
        "kind": "toy",
        "settings": {"d": 2, "prior": None, "dmap": {"alpha": 1.0}},
        "arrays": {
            "ids": {"dtype": "int32", "shape": [2]},
            "net/w": {"dtype": "float32", "shape": [2, 3]},
            "scale": {"dtype": "float64", "shape": []},
        },
    }


def test_numpy_scalars_and_tuples_become_what_they_stand_for() -> None:
    given_settings = {
        "m": np.int32(3),
        "eps": np.float32(0.5),
        "sym": np.bool_(True),
        "name": np.str_("max"),
        "sizes": (1, (2, 3)),
    }
    plain = plain_settings(given_settings)
    expected = {"m": 3, "eps": 0.5, "sym": True, "name": "max", "sizes": [1, [2, 3]]}
    assert repr(plain) == repr(expected)


BAD: dict[str, tuple[Any, str]] = {
    "NaN": ({"a": {"b": [1.0, float("nan")]}}, "'a'] must be plain JSON.* got a value that JSON does"),
    "infinity": ({"a": np.float32("inf")}, "'a'] must be plain JSON.* got a value that JSON does"),
    "bytes": ({"a": b"x"}, "'a'] must be plain JSON"),
    "array": ({"a": np.zeros(2)}, "'a'] must be plain JSON"),
    "path": ({"a": Path("x")}, "'a'] must be plain JSON"),
    "callable": ({"a": len}, "'a'] must be plain JSON"),
    "number as key": ({"a": {1: 2}}, "'a'] must be plain JSON"),
    "number as name": ({1: 2}, "'1'] must be plain JSON"),
    "long integer": ({"a": 2**64}, "'a'] must be plain JSON"),
    "long negative": ({"a": -(2**63) - 1}, "'a'] must be plain JSON"),
    "surrogate": ({"a": "\ud800"}, "'a'] must be plain JSON"),
    "surrogate key": ({"\ud800": 1}, "ud800'] must be plain JSON"),
    "no dictionary": ([1], "settings must be a dictionary"),
    "too large": ({"a": "x" * (4 << 20)}, "config.json must be at most 4194304 bytes"),
}


@pytest.mark.parametrize("case", BAD)
def test_setting_that_is_not_plain_is_named(case: str) -> None:
    given_settings, rule = BAD[case]
    with pytest.raises(ArtifactError, match=rule):
        to_members(Artifact("toy", given_settings, {}), "")


def test_setting_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ArtifactError, match="must be plain JSON"):
        plain_settings({"a": endless})


def _read(config: bytes) -> Artifact:
    """The model of this config.json, under a true manifest."""
    members = to_members(small(), "") | {"config.json": config}
    del members["MANIFEST.json"]
    return from_members(members | {"MANIFEST.json": write_manifest(members)}, "m")


@pytest.mark.parametrize("kind", ["", "os.system('x')", "a b", "../x", "x" * 101, "1a", "a\n", 3])
def test_kind_is_one_word(kind: Any) -> None:
    with pytest.raises(ArtifactError, match="save: kind must be a word"):
        to_members(Artifact(kind, {}, {}), "")
    head = {"format": 1, "kind": kind, "settings": {}, "arrays": {}}
    with pytest.raises(ArtifactError, match=r"^m/config\.json: "):
        _read(json.dumps(head).encode())


@pytest.mark.parametrize(
    "head",
    [
        {"settings": [1]},
        {"settings": {"a": float("nan")}},
        {"arrays": {"x": {"dtype": 3, "shape": [1]}}},
        {"arrays": {"x": {"dtype": "int8", "shape": [1], "path": "/etc"}}},
        {"module": "os"},
    ],
    ids=["list", "NaN", "number as type", "field of an array", "field"],
)
def test_foreign_config_is_refused(head: dict[str, Any]) -> None:
    whole = {"format": 1, "kind": "toy", "settings": {}, "arrays": {}} | head
    with pytest.raises(ArtifactError, match=r"^m/config\.json: "):
        _read(json.dumps(whole).encode())


def test_endless_nesting_is_refused() -> None:
    head = b'{"format": 1, "kind": "toy", "arrays": {}, "settings": {"a": ' + b"[" * 200_000
    with pytest.raises(ArtifactError, match=r"^m/config\.json: "):
        _read(head)
