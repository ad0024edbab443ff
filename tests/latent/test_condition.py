import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError, ShapeError
from dima.latent.condition import Conditions


def test_labels_are_one_number_for_each_class_in_order():
    known = Conditions.of("DDPM", np.array([7, -1, 7, 3]), 4)
    assert known.classes == [-1, 3, 7]
    assert known.apply("DDPM", [3, 7], 2).tolist() == [[0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("label", ["b", np.str_("b")])
def test_one_label_is_that_of_all(label):
    known = Conditions.of("DDPM", ["b", "a", "b"], 3)
    assert known.apply("DDPM", label, 2).tolist() == [[0, 1], [0, 1]]


def test_truth_values_are_labels():
    assert Conditions.of("DDPM", [True, False], 2).apply("DDPM", True, 1).tolist() == [[0, 1]]


def test_vectors_become_standard_scores():
    given = np.array([[0.0, 10.0], [2.0, 30.0]])
    known = Conditions.of("DDPM", given, 2)
    assert known.classes is None
    assert_close(known.apply("DDPM", given, 2), [[-1, -1], [1, 1]])
    assert_close(known.apply("DDPM", [1.0, 20.0], 3), np.zeros((3, 2)))


def test_numbers_are_vectors_of_one():
    known = Conditions.of("DDPM", np.array([0.0, 2.0]), 2)
    for given in (2.0, [2.0], [2.0, 2.0], [[2.0], [2.0]]):
        assert_close(known.apply("DDPM", given, 2), [[1], [1]])


@pytest.mark.parametrize(
    ("given", "error", "got"),
    [
        ([1, 2], ShapeError, "got shape (2,)"),
        (np.zeros((3, 1, 1)), ShapeError, "got shape (3, 1, 1)"),
        ([1, 1, 1], DataError, "2 to 1000 classes; got 1"),
        (np.arange(3000), ShapeError, "got shape (3000,)"),
        ([0.0, np.nan, 1.0], DataError, "condition"),
    ],
)
def test_what_cannot_be_learnt_is_refused(given, error, got):
    with pytest.raises(error) as caught:
        Conditions.of("DDPM", given, 3)
    assert got in str(caught.value)


@pytest.mark.parametrize(
    ("fitted", "asked", "got"),
    [
        (["a", "b", "b"], "c", "got 'c'. There are: a, b."),
        (["a", "b", "b"], ["a"], "must be 1 or 2; got shape (1,)"),
        ([[0.0, 1.0], [1.0, 2.0], [3.0, 1.0]], [[1.0, 2.0, 3.0]] * 2, "2, 2"),
        ([[0.0, 1.0], [1.0, 2.0], [3.0, 1.0]], 3.0, "must be 1 or 2; got shape ()"),
    ],
)
def test_what_was_not_learnt_is_refused(fitted, asked, got):
    known = Conditions.of("DDPM", fitted, 3)
    with pytest.raises((DataError, ShapeError)) as caught:
        known.apply("DDPM", asked, 2)
    assert got in str(caught.value)
