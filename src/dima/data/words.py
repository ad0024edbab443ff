"""Columns of words: how words become numbers, and which words are too many or are dates."""

import re
from collections.abc import Collection, Sequence

import numpy as np

from dima.errors import DataError
from dima.typing import Array, Float64

__all__ = ["are_dates", "indexed", "most_words", "refuse_many"]

_FEW = 50  # different words that are few enough in any file
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


def refuse_many(column: str, words: Collection[str], n: int, fix: str, few: int = _FEW) -> None:
    """Refuse words that name the n rows of a column: there are more than `few`, and they hardly repeat.

    Raises:
        DataError: they do.
    """
    if len(words) > (most := most_words(n, few)):
        got = f"more than {most} different ones in {n} rows"
        raise DataError(f"{column} must hold words that repeat; got {got}. {fix}")


def are_dates(words: Collection[str]) -> bool:
    """Whether all words are dates or times of day.

    Example:
        >>> are_dates(["2024-03-01", "3 Mar 2024 12:30"]), are_dates(["2024-03-01", "never"])
        (True, False)
    """
    return all(_DATE.fullmatch(word) for word in words)
