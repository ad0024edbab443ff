"""Flags: those every verb takes, and those made from the settings an estimator declares."""

import typing
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

from cyclopts import Group, Parameter, Token
from cyclopts.validators import Number

from dima import settings

__all__ = [
    "EVERYWHERE",
    "Common",
    "Count",
    "Data",
    "DropText",
    "Folder",
    "Model",
    "Output",
    "Overwrite",
    "Page",
    "Settings",
    "Verb",
    "Whole",
    "of",
    "switch",
    "takes",
    "whole",
]


def whole(_type: type, tokens: Sequence[Token]) -> int:
    """Read a whole number as it stands; 3.7 is refused instead of rounded."""
    token = tokens[0]
    try:
        return int(token.value)
    except ValueError:
        place = "" if token.source == "cli" else f" in {token.source}"
        raise ValueError(f'"{token.value}"{place} is not a whole number.') from None


def _whole_or_none(kind: type, tokens: Sequence[Token]) -> int | None:
    """Read the same, where "none" takes back what a file of flags has set."""
    return None if tokens[0].value.lower() == "none" else whole(kind, tokens)


def _name_or_none(_type: type, tokens: Sequence[Token]) -> str | None:
    """Read a name, where "none" stands for nothing: a shell has no other word for it."""
    return None if tokens[0].value.lower() == "none" else tokens[0].value


def _whole_or_name(_type: type, tokens: Sequence[Token]) -> int | str:
    """Read a whole number, or the name that stands for one."""
    value = tokens[0].value
    return int(value) if value.lstrip("-").isdigit() else value


def switch(about: str, *names: str) -> Parameter:
    """A flag that is on where it stands and off elsewhere."""
    return Parameter(name=names or None, help=about, negative="", show_default=False)


Verb = Callable[..., Any]
Settings = dict[str, Any] | None  # what was given of the flags `of` makes, by name
Whole = Annotated[int | None, Parameter(converter=whole)]
Count = Annotated[int, Parameter(converter=whole, validator=Number(gte=1))]
Data = Annotated[
    str,
    Parameter(help=".npy, .npz (file.npz:key), .csv, .tsv or .parquet, a row per sample; or a set of images"),
]
Model = Annotated[Path, Parameter(help="a saved model: its folder, or a single .msgpack file")]
Folder = Annotated[Path, Parameter(name=["--output", "-o"], help="folder to write")]
Output = Annotated[
    Path,
    Parameter(
        name=["--output", "-o"], help="table to write: .npy, or .csv, .tsv or .parquet with the column names"
    ),
]
DropText = Annotated[bool, switch("leave out columns that are not numbers")]
Overwrite = Annotated[bool, switch("replace an older model at the target")]
Page = Annotated[
    Path | None, Parameter(name="--report", help="page (.html) with pictures and held-out figures")
]
_SEED = Parameter(
    help="seed of everything drawn at random", validator=Number(gte=0, lt=2**31), show_default="0"
)
_QUIET = switch("no progress bars, notes or summary", "--quiet", "-q")


@Parameter(name="*", group=Group("Common", sort_key=9))
@dataclass(frozen=True, kw_only=True)
class Common:
    """What every verb takes."""

    seed: Annotated[Whole, _SEED] = None
    config: Annotated[Path | None, Parameter(help="TOML file of flags; those given here win")] = None
    as_json: Annotated[
        bool, switch("print the result as JSON, and nothing else, on standard output", "--json")
    ] = False
    quiet: Annotated[bool, _QUIET] = False

    def seeded(self) -> dict[str, Any]:
        """The seed as a keyword, if one was given: its default stands where it is used."""
        return {} if self.seed is None else {"seed": self.seed}


EVERYWHERE = Common()

# Second spellings of flags that are made from settings, so that verbs that train share them.
_ALIASES = {"learning_rate": "--lr", "patience": "--early-stopping-patience"}


def of(declaration: settings.Declaration, *, without: Collection[str] = (), **parameter: Any) -> Any:
    """The type of a dictionary of flags, one for each declared setting; it holds those the user gave.

    Args:
        declaration: the estimator or function that declares the settings.
        without: settings that are given another way.
        **parameter: of `cyclopts.Parameter`, for all of the flags.
    """
    declared = settings.declared(declaration).values()
    is_flat = parameter.get("name") == "*"  # below a name of their own, two parts may have the same setting
    fields = {setting.name: _flag(setting, is_flat) for setting in declared if setting.name not in without}
    made = TypedDict(f"{declaration.__name__}Flags", fields, total=False)  # type: ignore[misc]  # not literal
    return Annotated[made | None, Parameter(**parameter)]


def takes(**flags: Any) -> Callable[[Verb], Verb]:
    """Give arguments of a verb the types that `of` makes, which no type checker can see."""

    def annotated(verb: Verb) -> Verb:
        verb.__annotations__ |= flags
        return verb

    return annotated


def _flag(setting: settings.Setting, is_flat: bool) -> Any:
    shown = False if setting.default is None else str(setting.default).strip("()")
    parts = typing.get_args(setting.type)
    reader: Any = whole if int in parts else None
    if type(None) in parts and int in typing.get_args(parts[0]):
        reader = _whole_or_none
    choices = settings.choices(setting.type) or None
    if choices and type(None) in parts:
        choices, reader = (*choices, "none"), _name_or_none
    if choices and any(int in typing.get_args(part) for part in parts):
        choices, reader = None, _whole_or_name
    is_list = any(typing.get_origin(part) is tuple for part in parts)
    flag = Parameter(
        alias=_ALIASES.get(setting.name) if is_flat else None,
        help=setting.help,
        show_default=shown,
        converter=reader,
        choices=choices,
        consume_multiple=is_list,
    )
    return Annotated[setting.type, flag]
