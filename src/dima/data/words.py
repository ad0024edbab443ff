"""Columns of words: how words become numbers, and which words are too many or are dates."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from dima.errors import DataError, DataTypeError
from dima.typing import Array, Float64

__all__ = [
    "are_dates",
    "drop_all",
    "drop_by_name",
    "drop_from_frame",
    "first_word",
    "indexed",
    "most_words",
    "refuse_names",
    "stray",
]

_FEW = 50  # different words that are few enough in any file
_SHOWN = 5  # columns in a message
_OR_ALL = "or all columns of words (--drop-text, or drop_text=True)."
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_PLAIN = re.compile(r"[+-]?\d*\.?\d*")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DAYS = (
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}",
    r"\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})",
    r"\d{4}-(?:0[1-9]|1[0-2])",
    rf"\d{{1,2}}[ -]{_MONTH}[ -]\d{{2,4}}",
    rf"{_MONTH} \d{{1,2}}, ?\d{{4}}",
)
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[ap]m)?(?: ?(?:z|utc|[+-]\d{2}:?\d{2}))?"
_DATE = re.compile(rf"(?:{'|'.join(_DAYS)})(?:(?:t|,? ){_TIME})?|{_TIME}", re.IGNORECASE)


def indexed(codes: Array, words: Sequence[str]) -> tuple[Float64, tuple[str, ...]]:
    """Indices of words among those that occur, sorted and without outer spaces.

    Args:
        codes: (n,) integers, the index of each row's word in `words`; -1 where it is missing.
        words: in any order; a blank one is a missing cell.

    Returns:
        (n,) word_ix, NaN where a cell is missing, and the words they count.

    Example:
        >>> indexed(np.array([0, 1, -1, 0]), ["red ", "blue"])
        (array([ 1.,  0., nan,  1.]), ('blue', 'red'))
    """
    stripped = [word.strip() for word in words]
    known = sorted({stripped[code] for code in np.unique(codes).tolist() if code >= 0} - {""})
    index = {word: float(at) for at, word in enumerate(known)}
    return np.array([*(index.get(word, np.nan) for word in stripped), np.nan])[codes], tuple(known)


def most_words(n: int, few: int = _FEW) -> int:
    """How many different words n rows may hold before they are names rather than kinds; `few` always.

    Example:
        >>> most_words(30), most_words(1000)
        (50, 500)
    """
    return max(few, n // 2)


def refuse_names(
    owner: str,
    columns: Mapping[str, Collection[str]],
    n: int,
    fix: Callable[[list[str]], str],
    few: int = _FEW,
    strange: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Refuse columns that nothing can be learnt of, all at once.

    These are words that name the n rows (more than `few`, and they hardly repeat), dates, and numbers with
    separators, which are no words.

    Args:
        owner: who asks; opens the message.
        columns: the words of each column, by its name.
        n: rows.
        fix: what to do about columns of these names.
        few: different words that are always few enough.
        strange: what other columns hold that cannot be kept.

    Raises:
        DataError: there is such a column; a DataTypeError where one is strange.
    """
    found = {name: f"{what} in {name!r}" for name, what in strange.items()}
    for name, words in columns.items():
        if fault := _fault(words, most_words(n, few), n):
            found[name] = f"{fault[0]} in {name!r}{fault[1]}"
    if not found:
        return
    told = [*found.values()]
    shown, more = "; ".join(told[:_SHOWN]), f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    rule = "hold numbers, or words that repeat and are no dates"
    kind = DataTypeError if strange else DataError
    raise kind(f"{owner} must {rule}; got {shown}{more}. {fix([*found])}")


def _fault(words: Collection[str], most: int, n: int) -> tuple[str, str] | None:
    """What a column holds that nothing can be learnt of, and an example; None for words."""
    if not words:
        return None
    example = f", such as {next(iter(words))!r}"
    if are_dates(words):
        return "dates", example
    grouped = next(filter(_GROUPED.fullmatch, words), None)
    if grouped and all(_GROUPED.fullmatch(word) or _PLAIN.fullmatch(word) for word in words):
        example = f", such as {grouped!r}: write {grouped.replace(',', '')}"
        return "numbers with thousands separators", example
    if len(words) <= most:
        return None
    if other := stray(words):
        return f"numbers but for {other!r}", ""
    return f"more than {most} different words", f", which has {n} rows"


def stray(words: Collection[str]) -> str | None:
    """The first word among different cells most of which are numbers; None where most are not.

    Example:
        >>> stray(["1.5", "2", "unknown", "3"]), stray(["1", "north", "south"])
        ('unknown', None)
    """
    others = [word for word in words if word and not _PLAIN.fullmatch(word)]
    return others[0] if others and 2 * len(others) < len(words) else None


def first_word(words: Sequence[str]) -> str:
    """The first that is neither a number nor True or False, to name in a message; the first where all are.

    Example:
        >>> first_word(["1", "false", "yes"])
        'yes'
    """
    plain = (word for word in words if not _PLAIN.fullmatch(word) and word.lower() not in {"true", "false"})
    return next(plain, words[0])


def drop_by_name(names: list[str]) -> str:
    """How to leave columns of a file out."""
    flags = " ".join(f"--drop {name!r}" for name in names)
    return f"Drop {'it' if len(names) == 1 else 'them'} ({flags}, or drop={names} of table), {_OR_ALL}"


def drop_all(_names: list[str]) -> str:
    """How to leave columns of a file out that have no names."""
    return f"Drop {_OR_ALL[3:]}"


def drop_from_frame(names: list[str]) -> str:
    """How to leave columns of a data frame out."""
    which, them = ("column", "it") if len(names) == 1 else ("columns", "them")
    return f"Drop the {which} from the frame, or make numbers of {them}."


def are_dates(words: Collection[str]) -> bool:
    """Whether all words are dates or times of day.

    Example:
        >>> are_dates(["2024-03-01", "3 Mar 2024 12:30"]), are_dates(["2024-03-01", "never"])
        (True, False)
    """
    return all(_DATE.fullmatch(word) for word in words)
