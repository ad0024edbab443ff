"""Flags: those every verb takes, and those made from the settings an estimator declares."""

import contextlib
import dataclasses
import functools
import operator
import types
import typing
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter, Token
from cyclopts.validators import Number

from dima import settings
from dima.progress import quiet as silently

__all__ = [
    "EVERYWHERE",
    "Common",
    "Data",
    "DropText",
    "Given",
    "Model",
    "Output",
    "Overwrite",
    "Whole",
    "of",
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
    """The same, where "none" takes back what a file of flags has set."""
    return None if tokens[0].value.lower() == "none" else whole(kind, tokens)


Whole = Annotated[int | None, Parameter(converter=whole)]
Data = Annotated[str, Parameter(help=".npy, .npz (file.npz:key), .csv, .tsv or .parquet, one row per sample")]
Model = Annotated[Path, Parameter(help="a saved model: its folder, or a single .msgpack file")]
Output = Annotated[
    Path, Parameter(name=["--output", "-o"], help="table to write: .npy, or .csv with the column names")
]
DropText = Annotated[
    bool, Parameter(help="leave out columns that are not numbers", negative="", show_default=False)
]
Overwrite = Annotated[
    bool, Parameter(help="replace an older model at the target", negative="", show_default=False)
]


@Parameter(name="*")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Common:
    """What every verb takes."""

    seed: Annotated[
        Whole,
        Parameter(
            help="seed of everything drawn at random",
            validator=Number(gte=0),
            show_default=lambda _: 0,
            group=Group("Common", sort_key=9),
        ),
    ] = None
    config: Annotated[
        Path | None,
        Parameter(help="TOML file of flags; those given here win", group=Group("Common", sort_key=9)),
    ] = None
    as_json: Annotated[
        bool,
        Parameter(
            name="--json",
            help="print the result as JSON, and nothing else, on standard output",
            negative="",
            show_default=False,
            group=Group("Common", sort_key=9),
        ),
    ] = False
    quiet: Annotated[
        bool,
        Parameter(
            name=["--quiet", "-q"],
            help="no progress bars, notes or summary",
            negative="",
            show_default=False,
            group=Group("Common", sort_key=9),
        ),
    ] = False

    def seeded(self) -> dict[str, Any]:
        """The seed as a keyword, if one was given: its default stands where it is used."""
        return {} if self.seed is None else {"seed": self.seed}

    def bars(self) -> contextlib.AbstractContextManager[None]:
        """A block in which progress bars obey --quiet."""
        return silently() if self.quiet else contextlib.nullcontext()


EVERYWHERE = Common()


class _Unset:
    """Stands for a flag nobody gave; None is a value some settings take."""


_UNSET = _Unset()


class Given:
    """Base of the flags made by `of`: knows which of them the user gave."""

    def given(self) -> dict[str, Any]:
        """Settings by name, those left out not among them: their defaults live in one place."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}  # type: ignore[attr-defined]  # `of` makes them
        return {name: value for name, value in values.items() if value is not _UNSET}


def of(declaration: settings.Declaration, panel: Group | None = None, without: Collection[str] = ()) -> Any:
    """A dataclass of flags, one for each setting the estimator declares.

    Args:
        declaration: the estimator.
        panel: where the flags stand on the help page.
        without: settings that are given another way.
    """
    declared = settings.declared(declaration).values()
    fields = [_field(setting, panel) for setting in declared if setting.name not in without]
    made = dataclasses.make_dataclass(
        f"{declaration.__name__}Flags",
        fields,
        bases=(Given,),
        kw_only=True,
        # cyclopts looks into a class for flags only if it is not of the standard library.
        namespace={"__module__": __name__},
    )
    return Parameter(name_transform=_dashed)(made)


def _field(setting: settings.Setting, panel: Group | None) -> tuple[str, Any, Any]:
    plain = _plain(setting.type)
    extra: dict[str, Any] = {"group": panel} if panel else {}
    if int in (plain, *typing.get_args(plain)):
        extra["converter"] = whole if plain is int else _whole_or_none
    shown = False if setting.default is None else lambda _: setting.default
    flag = Parameter(help=setting.help, show_default=shown, **extra)
    return setting.name, Annotated[plain, flag], dataclasses.field(default=_UNSET)


def _dashed(name: str) -> str:
    """`n_iter` as `n-iter`; the case stays, T is not t."""
    return name.replace("_", "-")


def _plain(hint: Any) -> Any:
    """The type without its description and range, which `dima.settings` checks."""
    if typing.get_origin(hint) is Annotated:
        names = settings.choices(hint)
        return Literal[names] if names else _plain(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return functools.reduce(operator.or_, map(_plain, typing.get_args(hint)))
    return hint
