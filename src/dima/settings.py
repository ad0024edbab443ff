"""Settings as data: an estimator or function declares each setting once, in its signature.

    k: Annotated[int, Meta(ge=2, description="neighbours of a row, itself counted")] | None = None

From that line come the check and its message (`check`), the unknown-name error with a suggestion
(`accept`), the command line's flags and the table in the docs (`declared`).
"""

import dataclasses
import difflib
import functools
import inspect
import math
import typing
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from dima.errors import SettingError

__all__ = [
    "ALIASES",
    "OneOf",
    "Setting",
    "accept",
    "check",
    "choices",
    "declared",
    "must_match",
    "own",
    "rule",
]

# Greek and older spellings, understood at the public door only; inside there is only ASCII.
ALIASES = {
    "β": "beta",
    "ε": "eps",
    "α": "alpha",
    "σ2": "sigma2",
    "κ": "k",
    "κ_eps": "k_eps",
    "k_ε": "k_eps",
    "κ_ε": "k_eps",
    "pred_κ": "pred_k",
    "λ": "learning_rate",
}

_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
_WORDS = {int: "a whole number", float: "a finite number", bool: "true or false", type(None): "None"}
_SHOWN = 8  # entries of a list that a message repeats
Declaration = type | Callable[..., Any]


class OneOf:
    """Marks a text setting that names one of a registry: `Annotated[str, OneOf(*BACKENDS), Meta(...)]`."""

    def __init__(self, *names: str) -> None:
        self.names = names


@dataclasses.dataclass(frozen=True)
class Setting:
    """One declared setting: its name, annotated type, default and one-line description."""

    name: str
    type: Any
    default: Any
    help: str


def declared(declaration: Declaration) -> dict[str, Setting]:
    """Settings of a class (its constructor) or a function, in the order of the signature."""
    return _declared(declaration)


@functools.cache
def _declared(declaration: Any) -> dict[str, Setting]:
    call = declaration.__init__ if isinstance(declaration, type) else declaration  # type: ignore[misc]  # read only
    hints = typing.get_type_hints(call, include_extras=True)
    return {
        name: Setting(name, hints[name], parameter.default, said)
        for name, parameter in inspect.signature(call).parameters.items()
        if (said := _described(hints.get(name)))
    }


def accept(owner: str, declaration: Declaration, values: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve aliases and refuse unknown names, with a suggestion.

    Raises:
        SettingError: a name is unknown, or given twice under two spellings.
    """
    known = declared(declaration)
    accepted: dict[str, Any] = {}
    for spelling, value in values.items():
        # Python itself reads keywords in this form; keys of a dictionary come as they were typed.
        plain = unicodedata.normalize("NFKC", spelling)
        name = ALIASES.get(plain, plain)
        if name not in known:
            raise SettingError(_unknown(owner, spelling, list(known)))
        if name in accepted:
            got, fix = f"{spelling!r} and another spelling", "Leave one out."
            raise SettingError(f"{owner}: {name} must be given once; got {got}. {fix}")
        accepted[name] = value
    return accepted


def check(owner: str, declaration: Declaration, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as plain Python ones, checked against the declaration.

    Raises:
        SettingError: values break their rules; all faults are told together.
    """
    known = declared(declaration)
    checked: dict[str, Any] = {}
    faults: list[str] = []
    for name, value in values.items():
        plain = _plain(value)
        try:
            checked[name] = _converted(plain, known[name].type)
        except msgspec.ValidationError:
            faults.append(_fault(owner, known[name], plain))
    if faults:
        raise SettingError("\n".join(faults))
    return checked


def must_match(
    owner: str, thing: object, wanted: Mapping[str, Any], found: Mapping[str, Any], fix: str
) -> None:
    """Refuse a thing that was made of other values than those wanted, naming those that differ.

    Raises:
        SettingError: a value wanted is found to be another, or not at all.
    """
    others = [name for name in wanted if found.get(name) != wanted[name]]
    if others:
        want, got = (", ".join(f"{name} {of.get(name)}" for name in others) for of in (wanted, found))
        raise SettingError(f"{owner}: {thing} must be of {want}; got {got}. {fix}")


def choices(hint: Any) -> tuple[str, ...]:
    """The names a setting of this type may take, wherever in a union they stand; none for any other."""
    return next((mark.names for mark in _marks(hint, OneOf)), ())


def own(
    owner: str, role: str, registry: Mapping[str, Declaration], name: str, given_settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Check settings against the declaration of the variant `name`; None stands for one not given.

    Raises:
        SettingError: no variant has this name, a setting belongs to other variants or to none, or a
            value breaks its rule.
    """
    if name not in registry:
        raise SettingError(f"{owner}: {role} must be one of {sorted(registry)}; got {name!r}.")
    values = {setting: value for setting, value in given_settings.items() if value is not None}
    for setting, value in values.items():
        having = [variant for variant in registry if setting in declared(registry[variant])]
        if not having:
            known = sorted(set().union(*map(declared, registry.values())))
            raise SettingError(_unknown(owner, setting, known))
        if name not in having:
            others = " and ".join(filter(None, [", ".join(having[:-1]), having[-1]]))
            rule, got = f"left out with {role} {name!r}", repr(_plain(value))
            raise SettingError(f"{owner}: {setting} must be {rule}; got {got}. It is a setting of {others}.")
    return check(owner, registry[name], values)


def _marks(hint: Any, kind: type) -> Iterator[Any]:
    """What `Annotated` says of a hint in marks of this kind, wherever in a union they stand."""
    yield from (mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, kind))
    for part in typing.get_args(hint):
        yield from _marks(part, kind)


def _described(hint: Any) -> str:
    return next((mark.description for mark in _marks(hint, msgspec.Meta) if mark.description), "")


def _converted(value: Any, hint: Any) -> Any:
    names = choices(hint)
    is_unknown = names and isinstance(value, str) and value not in names
    if is_unknown or (isinstance(value, float) and not math.isfinite(value)):
        raise msgspec.ValidationError
    return msgspec.convert(value, hint)


def _plain(value: Any) -> Any:
    """A NumPy scalar as the Python number it stands for."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value


def _fault(owner: str, setting: Setting, got: Any) -> str:
    is_list = isinstance(got, tuple | list) and len(got) <= _SHOWN
    is_short = is_list or isinstance(got, str | int | float | bool | None)
    value = repr(got) if is_short else type(got).__name__
    name, asked = setting.name, rule(setting.type)
    return f"{owner}: {name} must be {asked}; got {value}. ({name}: {setting.help}.)"


def rule(hint: Any) -> str:
    """What a declared type asks for, in words: a whole number >= 2 or None."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        if names := choices(hint):
            return "one of " + ", ".join(map(repr, names))
        ranges = [(sign, getattr(mark, name, None)) for mark in parts[1:] for name, sign in _SIGNS.items()]
        bounds = [f"{sign} {bound:g}" for sign, bound in ranges if bound is not None]
        least = next((mark.min_length for mark in _marks(hint, msgspec.Meta) if mark.min_length), None)
        words = " ".join([rule(parts[0]), " and ".join(bounds)]).rstrip()
        return words if least is None else f"{words}, at least {least} of them"
    if origin is tuple:
        return f"a list, each {rule(parts[0])}"
    if origin is typing.Literal:
        return "one of " + ", ".join(map(repr, parts))
    if parts:
        return " or ".join(map(rule, parts))
    return _WORDS.get(hint, str(hint))


def _unknown(owner: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    fix = f"Did you mean {close[0]!r}?" if close else f"It knows: {', '.join(known)}."
    return f"{owner}: a setting must be one it declares; got {name!r}. {fix}"
