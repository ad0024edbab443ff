"""Blocks cover every row once, within the budget."""

import pytest

from dima.blocks import BLOCK_BYTES, row_blocks, rows_within


@pytest.mark.parametrize(("n", "size"), [(0, 3), (1, 3), (3, 3), (7, 3), (9, 1)])
def test_every_row_once_in_order(n, size):
    slices = list(row_blocks(n, size))
    assert [row for part in slices for row in range(n)[part]] == list(range(n))
    assert all(part.stop - part.start <= size for part in slices)


def test_rows_stay_within_the_budget_and_are_never_none():
    assert rows_within(1000, budget=10_500) == 10
    assert rows_within(BLOCK_BYTES * 2) == 1
    assert rows_within(0) == BLOCK_BYTES
