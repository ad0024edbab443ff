"""A measure is taken twice, of samples and of training rows; small sets whose figures are known."""

import numpy as np
import pytest

from dima.model.evaluate.image_figures import (
    FID,
    IN_PIXELS,
    Chance,
    Figure,
    Measure,
    Sets,
    beside_floors,
    class_figure,
    memory_figure,
)

CHANCE = Chance(9, 0)


def test_a_shift_of_samples_is_measured_beside_that_of_training_rows():
    held_out = np.random.default_rng(0).standard_normal((50, 3))
    (found,) = beside_floors(
        FID, Sets(held_out + np.array([3.0, 0, 0]), held_out + np.array([0, 1.0, 0]), held_out), "own", CHANCE
    )
    assert (found.name, found.extractor) == ("FID", "own")
    assert (found.value, found.floor, found.ratio) == pytest.approx((9.0, 1.0, 9.0))
    (same,) = beside_floors(IN_PIXELS, Sets(held_out, held_out, held_out), "pixels", CHANCE)
    assert same == Figure("sliced W2", 0.0, 0.0, None, "pixels")


def test_sets_are_cut_where_the_measure_says_so():
    sizes = Measure(("samples", "real"), lambda fake, real, _: (len(fake), len(real)), most=4)
    found = beside_floors([sizes], Sets(*np.zeros((3, 7, 2))), "pixels", CHANCE)
    assert [one.value for one in found] == [4, 4]


def test_shares_of_classes():
    found = class_figure(Sets(np.array([0, 0]), np.array([0, 1]), np.array([1, 1])), "own")
    assert found == Figure("class total variation", 1.0, 0.5, 2.0, "own")


def test_memory_is_one_for_rows_as_far_as_held_out_ones():
    train, held_out, near = (np.full((3, 1, 2, 2), value) for value in (0.0, 0.5, -0.25))
    assert memory_figure(near, train, held_out, "near ") == Figure(
        "near nearest-row ratio", 0.5, 1.0, 0.5, "pixels"
    )
