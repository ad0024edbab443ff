"""Files for the tests of reading, and what a refusal must look like."""

import numpy as np
import pytest

from dima.data import read

__all__ = ["X", "refused", "write"]

X = np.arange(12.0).reshape(4, 3) / 7


def write(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    return path


def refused(path, kind, *words, **kwargs):
    """Read, expect one sentence of that kind with those words in it, and return it."""
    with pytest.raises(kind) as caught:
        read.table(path, **kwargs)
    message = str(caught.value)
    assert message.startswith(f"table: {str(path).split(':')[0]}")
    assert " must " in message
    assert message[-1] in '."'
    assert "\n" not in message
    assert all(word in message for word in words), message
    return message
