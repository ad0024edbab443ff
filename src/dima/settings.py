"""Settings as data: a signature is the declaration, everything else is read from it.

An estimator or function declares each setting once, in its signature:

    k: Annotated[int, Meta(ge=2, description="neighbours of a row, itself counted")] | None = None

From that line come the check and its message (`check`), the unknown-name error with a
suggestion (`accept`), the command line's flags and the table in the docs (`declared`).
"""

import dataclasses
import difflib
import functools
import inspect
import math
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dima.errors import SettingError, sentence

__all__ = ["ALIASES", "Setting", "accept", "check", "declared"]

# Greek and older spellings, understood at the public door only; inside there is only ASCII.
ALIASES = {
    "β": "beta",
    "ε": "eps",
    "ϵ": "eps",
    "α": "alpha",
    "σ2": "sigma2",
    "σ²": "sigma2",
    "κ": "k",
    "κ_eps": "k_eps",
    "k_ε": "k_eps",
    "κ_ε": "k_eps",
    "pred_κ": "pred_k",
    "λ": "learning_rate",
}

Declaration = type | Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Setting:
    """One declared setting: its name, annotated type, default and one-line description."""

    name: str
    type: Any
    default: Any
    help: str


@functools.cache
def declared(declaration: Declaration) -> dict[str, Setting]:
    """Settings of a class (its constructor) or a function, in the order of the signature."""
    call = declaration.__init__ if isinstance(declaration, type) else declaration  # type: ignore[misc]
    hints = typing.get_type_hints(call, include_extras=True)
    return {
        name: Setting(name, hints[name], parameter.default, _description(hints[name]))
        for name, parameter in inspect.signature(call).parameters.items()
        if name in hints and _description(hints[name])
    }


def accept(owner: str, declaration: Declaration, values: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve aliases and refuse unknown names, with a suggestion.

    Raises:
        SettingError: a name is unknown, or given twice under two spellings.
    """
    known = declared(declaration)
    accepted: dict[str, Any] = {}
    for given, value in values.items():
        name = ALIASES.get(given, given)
        if name not in known:
            raise SettingError(_unknown(owner, given, list(known)))
        if name in accepted:
            raise SettingError(
                sentence(owner, name, "given once", f"it under two spellings, one of them {given!r}")
            )
        accepted[name] = value
    return accepted


def check(owner: str, declaration: Declaration, values: Mapping[str, Any]) -> dict[str, Any]:
    """Check values against the declaration; all faults are reported together.

    Returns the values as plain Python numbers (a NumPy integer becomes an int).

    Raises:
        SettingError: one or more values break their rule.
    """
    known = declared(declaration)
    checked: dict[str, Any] = {}
    faults: list[str] = []
    for name, value in values.items():
        plain = _plain(value)
        if isinstance(plain, float) and not math.isfinite(plain):
            faults.append(_fault(owner, known[name], plain, "finite"))
            continue
        try:
            checked[name] = msgspec.convert(plain, known[name].type)
        except msgspec.ValidationError as fault:
            faults.append(_fault(owner, known[name], plain, str(fault)))
    if faults:
        raise SettingError("\n".join(faults))
    return checked


def _plain(value: Any) -> Any:
    """A NumPy scalar as the Python number it stands for."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value


def _fault(owner: str, setting: Setting, got: Any, told: str) -> str:
    rule = told.removeprefix("Expected ").split(", got")[0].split(" - at")[0]
    rule = rule.replace("`", "").replace("null", "None")
    choices = _choices(setting.type)
    if choices and isinstance(got, str):
        rule = "one of " + ", ".join(repr(choice) for choice in choices)
    shown = repr(got) if isinstance(got, str | int | float | bool | None) else type(got).__name__
    return sentence(owner, setting.name, rule, shown, f"({setting.name}: {setting.help}.)")


def _choices(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    return tuple(choice for part in typing.get_args(hint) for choice in _choices(part))


def _description(hint: Any) -> str:
    """The description in a hint's `Meta`, wherever in a union it stands."""
    metas = [part for part in getattr(hint, "__metadata__", ()) if isinstance(part, msgspec.Meta)]
    told = [meta.description for meta in metas if meta.description]
    return told[0] if told else next(filter(None, map(_description, typing.get_args(hint))), "")


def _unknown(owner: str, given: str, known: list[str]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    fix = f"Did you mean {close[0]!r}?" if close else "It knows: " + ", ".join(known) + "."
    return sentence(owner, "a setting", "one it declares", repr(given), fix)
