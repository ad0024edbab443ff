"""What is saved of a model: its kind, plain settings and arrays, and their readable description."""

import dataclasses
import math
from typing import Annotated, Any

import msgspec
import numpy as np

from dima.errors import ArtifactError, sentence
from dima.store.arrays import MAX_ARRAYS, ArraySpec, describe
from dima.store.decode import FORMAT, MAX_JSON_BYTES, Formatted, damaged, from_json, shown
from dima.typing import Arrays

__all__ = ["Artifact", "Config", "Kind", "plain_settings", "read_config", "write_config"]

MAX_DEPTH = 16
_INTEGERS = range(-(2**63), 2**64)  # what both JSON readers and MessagePack hold exactly

Kind = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,99}\Z")]


@dataclasses.dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class Artifact:
    """A model as data.

    Attributes:
        kind: which model it is, looked up in a closed registry by whoever loads it; never a path.
        settings: JSON-plain: None, booleans, integers of 64 bits, finite floats, text, and lists
            and dictionaries of these. NumPy scalars and tuples are written as what they stand for.
        arrays: by name, such as "dmap/R_iX"; element types bool, int8 to int64, uint8 and
            float16 to float64.
    """

    kind: str
    settings: dict[str, Any]
    arrays: Arrays


class Config(Formatted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The readable description: everything of an artifact but the numbers in its arrays."""

    kind: Kind
    settings: dict[str, Any]
    arrays: Annotated[dict[str, ArraySpec], msgspec.Meta(max_length=MAX_ARRAYS)]


class _KindOnly(msgspec.Struct):
    kind: Kind


def write_config(artifact: Artifact) -> bytes:
    """The bytes of config.json.

    Raises:
        ArtifactError: the kind, a setting or an array is not of a form that can be saved.
    """
    try:
        msgspec.convert({"kind": artifact.kind}, _KindOnly)
    except msgspec.ValidationError:
        rule = "a word of at most 100 letters, digits, '_', '.' and '-'"
        raise ArtifactError(sentence("save", "kind", rule, shown(str(artifact.kind)))) from None
    arrays = describe(artifact.arrays)
    arrays = {name: arrays[name] for name in sorted(arrays)}
    settings = plain_settings(artifact.settings, "save", fix="")
    config = Config(format=FORMAT, kind=artifact.kind, settings=settings, arrays=arrays)
    data = msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n"
    if len(data) > MAX_JSON_BYTES:
        rule, fix = f"at most {MAX_JSON_BYTES} bytes as JSON", "Save long lists as arrays."
        raise ArtifactError(sentence("save", "settings", rule, len(data), fix))
    return data


def read_config(data: bytes, member: str) -> Config:
    """Read the bytes of config.json.

    Raises:
        ArtifactError: they are damaged, foreign, or of a newer format; the sentence names `member`.
    """
    config = from_json(data, Config, member)
    plain_settings(config.settings, member)
    return config


def plain_settings(
    settings: dict[str, Any], member: str, fix: str = "Copy or download the model again."
) -> dict[str, Any]:
    """The settings as the plain values they stand for.

    Raises:
        ArtifactError: a value is not JSON-plain; the sentence names it by its path.
    """
    if not isinstance(settings, dict):
        raise damaged(member, "settings", "a dictionary", type(settings).__name__, fix)
    plain: dict[str, Any] = _plain(settings, "settings", _Place(member, fix))
    return plain


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a value stands, for the message."""

    member: str
    fix: str
    depth: int = 0

    def inside(self) -> "_Place":
        return dataclasses.replace(self, depth=self.depth + 1)

    def refuse(self, name: str, rule: str, got: str) -> ArtifactError:
        return damaged(self.member, name, rule, got, self.fix)


def _plain(value: Any, name: str, place: _Place) -> Any:
    if isinstance(value, dict | list | tuple):
        return _plain_container(value, name, place)
    return _plain_scalar(value, name, place)


def _plain_container(value: Any, name: str, place: _Place) -> Any:
    if place.depth >= MAX_DEPTH:
        raise place.refuse(name, f"nested at most {MAX_DEPTH} deep", "more")
    deeper = place.inside()
    if not isinstance(value, dict):
        return [_plain(item, f"{name}[{i}]", deeper) for i, item in enumerate(value)]
    keys = [_plain_key(key, name, place) for key in value]
    items = zip(keys, value.values(), strict=True)
    return {key: _plain(item, f"{name}.{shown(key)[1:-1]}", deeper) for key, item in items}


def _plain_key(key: Any, name: str, place: _Place) -> str:
    if not isinstance(key, str):
        raise place.refuse(name, "keyed by text", type(key).__name__)
    return _plain_text(key, name, place)


def _plain_scalar(value: Any, name: str, place: _Place) -> Any:
    if value is None or isinstance(value, bool | np.bool_):
        return value if value is None else bool(value)
    if isinstance(value, str):
        return _plain_text(value, name, place)
    if isinstance(value, int | np.integer):
        if int(value) not in _INTEGERS:
            raise place.refuse(name, "an integer of 64 bits", "a longer one")
        return int(value)
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            raise place.refuse(name, "finite", str(float(value)))
        return float(value)
    raise place.refuse(name, "JSON-plain", type(value).__name__)


def _plain_text(value: str, name: str, place: _Place) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        raise place.refuse(name, "text that UTF-8 can write", shown(value)) from None
    return str(value)
