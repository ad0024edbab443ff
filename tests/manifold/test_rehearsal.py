"""Seconds of a fit are counted up from those of its parts, on a clock of our own."""

import numpy as np
import pytest

from dima import DMAP
from dima.manifold import rehearsal


@pytest.fixture
def clock(monkeypatch):
    """Each part takes as many seconds as its turn: the search 1, the product 2, the graph 3."""
    turns = []

    def timed(work):
        turns.append(work)
        return float(len(turns))

    monkeypatch.setattr(rehearsal, "_timed", timed)


def test_an_exact_search_grows_with_the_square_of_the_rows_and_the_graph_with_the_rows(clock):
    found = DMAP(2, k=20).estimate_seconds((100_000, 16))
    search = 1.0 * (100_000 / 10_000) * (100_000 / 1000)
    assert found == pytest.approx(search + (140 * 2.0 + 3.0) * 100_000 / 4000)


def test_a_search_by_trees_grows_a_little_more_than_the_rows(clock):
    found = DMAP(2, k=20, ann_backend="sklearn").estimate_seconds((100_000, 3))
    search = 1.0 * (100_000 * np.log(100_000)) / (10_000 * np.log(10_000))
    assert found == pytest.approx(search + (140 * 2.0 + 3.0) * 100_000 / 4000)


def test_few_rows_are_rehearsed_in_full(clock):
    assert DMAP(2, k=500).estimate_seconds((600, 50_000)) == pytest.approx(1.0 + 140 * 2.0 + 3.0)
