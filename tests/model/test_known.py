"""What is known of rows: labels set apart, numbers filled in again, and how far is too far."""

import numpy as np
import pandas as pd
import pytest

from dima.data.columns import Columns
from dima.errors import SettingError
from dima.model.known import Known, conditions, filled, numbers_of, split_label, with_known
from dima.model.rows import Rows

WORDS = ("blue", "red")


@pytest.fixture
def rows():
    X = np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 1.0]])
    columns = Columns.of(X, "standard", names=["size", "colour"], types=("float", "text"), words={1: WORDS})
    return Rows(columns, classes=["a", "b"], label=("kind", 0))


def test_labels_are_set_apart(rows):
    assert split_label("test", rows, {"size": 1.0, "kind": "b"}, None) == ({"size": 1.0}, "b")
    assert split_label("test", rows, {"size": 1.0}, "a") == ({"size": 1.0}, "a")
    frame = pd.DataFrame({"kind": ["a", "b"], "size": [1.0, 2.0]})
    table, labels = split_label("test", rows, frame, None)
    assert (table.names, labels) == (["size"], ["a", "b"])
    with pytest.raises(SettingError, match="y must be left out where known has 'kind'"):
        split_label("test", rows, frame, "a")


def test_known_values_come_back_as_they_were_given(rows):
    values = conditions("test", rows, {"colour": "red"})
    numbers = numbers_of(rows.columns, values)
    assert np.isnan(numbers[0]).tolist() == [True, False, False]
    together = with_known(np.array([[0.0], [1.0]]), numbers[0])
    assert together.shape == (2, 3)
    assert filled(rows.columns, together, values[0])[:, 1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("value", "is_near"), [(2.5, True), (4.5, True), (9.0, False), (-3.0, False)])
def test_far_is_measured_by_what_rows_are_from_each_other(value, is_near):
    train = np.arange(5.0)[:, None]
    assert Known.of(train, train).reaches(np.array([value])) == is_near
    assert not Known.of(train, train[:2]).reaches(np.array([4.5]))
    assert Known.of(train[:, :0], train[:, :0]).reaches(np.empty(0))
