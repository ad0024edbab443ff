"""Settings and shapes as readable JSON: what is plain passes unchanged, the rest is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from dima.errors import ArtifactError
from dima.store.contents import Artifact, plain_settings, read_config, write_config
from store.samples import settings, small


@given(settings)
def test_settings_come_back_exactly(given_settings: dict[str, Any]) -> None:
    config = read_config(write_config(Artifact("toy", given_settings, {})), "config.json")
    # The text tells 1 from 1.0 from True, and 0.0 from -0.0.
    assert repr(config.settings) == repr(given_settings)


def test_config_is_readable_json() -> None:
    told = json.loads(write_config(small()))
    assert told == {
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
    plain = plain_settings(given_settings, "save")
    expected = {"m": 3, "eps": 0.5, "sym": True, "name": "max", "sizes": [1, [2, 3]]}
    assert repr(plain) == repr(expected)


def _nested(depth: int) -> dict[str, Any]:
    return {"a": _nested(depth - 1)} if depth else {}


BAD: dict[str, tuple[Any, str]] = {
    "NaN": ({"a": {"b": [1.0, float("nan")]}}, r"settings\.a\.b\[1\] must be finite"),
    "infinity": ({"a": np.float32("inf")}, r"settings\.a must be finite"),
    "set": ({"a": {1}}, "settings.a must be JSON-plain; got set"),
    "bytes": ({"a": b"x"}, "settings.a must be JSON-plain; got bytes"),
    "array": ({"a": np.zeros(2)}, "settings.a must be JSON-plain; got ndarray"),
    "path": ({"a": Path("x")}, "settings.a must be JSON-plain"),
    "callable": ({"a": len}, "settings.a must be JSON-plain"),
    "date": ({"a": np.datetime64(1, "s")}, "settings.a must be JSON-plain"),
    "number as key": ({"a": {1: 2}}, "settings.a must be keyed by text"),
    "long integer": ({"a": 2**64}, "settings.a must be an integer of 64 bits"),
    "long negative": ({"a": -(2**63) - 1}, "settings.a must be an integer of 64 bits"),
    "surrogate": ({"a": "\ud800"}, "settings.a must be text that UTF-8 can write"),
    "surrogate key": ({"\ud800": 1}, "settings must be text that UTF-8 can write"),
    "too deep": (_nested(17), "nested at most 16 deep"),
    "no dictionary": ([1], "settings must be a dictionary"),
    "too large": ({"a": "x" * (4 << 20)}, "settings must be at most 4194304 bytes"),
}


@pytest.mark.parametrize("case", BAD)
def test_setting_that_is_not_plain_is_named(case: str) -> None:
    given_settings, rule = BAD[case]
    with pytest.raises(ArtifactError, match=rule):
        write_config(Artifact("toy", given_settings, {}))


def test_sixteen_deep_passes() -> None:
    assert plain_settings(_nested(15), "save") == _nested(15)


@pytest.mark.parametrize("kind", ["", "os.system('x')", "a b", "../x", "x" * 101, "1a", "a\n", 3])
def test_kind_is_one_word(kind: Any) -> None:
    with pytest.raises(ArtifactError, match="save: kind must be a word"):
        write_config(Artifact(kind, {}, {}))
    head = {"format": 1, "kind": kind, "settings": {}, "arrays": {}}
    with pytest.raises(ArtifactError, match=r"^config\.json: "):
        read_config(json.dumps(head).encode(), "config.json")


@pytest.mark.parametrize(
    "head",
    [
        {"settings": {"a": 2**70}},
        {"settings": _nested(17)},
        {"settings": [1]},
        {"arrays": {"x": {"dtype": "object", "shape": [1]}}},
        {"arrays": {"x": {"dtype": "int8", "shape": [-1]}}},
        {"arrays": {"x": {"dtype": "int8", "shape": [1], "path": "/etc"}}},
        {"module": "os"},
    ],
    ids=["long", "deep", "list", "object", "negative", "field of an array", "field"],
)
def test_foreign_config_is_refused(head: dict[str, Any]) -> None:
    whole = {"format": 1, "kind": "toy", "settings": {}, "arrays": {}} | head
    with pytest.raises(ArtifactError, match=r"^config\.json: "):
        read_config(json.dumps(whole).encode(), "config.json")
