"""Held to Gaussian classes, whose best cuts are known."""

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from close import assert_close
from dima.errors import DataError, ShapeError
from dima.explain.directions import ClassShifts, binary_direction, class_directions, linear_probe

CENTERS = np.array([[3.0, 0.0, 0.0], [-1.5, 2.5, 0.0], [-1.5, -2.5, 0.0]])
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(3, size=1500) * 2 + 1
Z = CENTERS[LABELS // 2] + RANDOM.standard_normal((1500, 3))
STANDARD = (Z - Z.mean(axis=0)) / np.sqrt(Z.var(axis=0))


def test_directions_are_unit_and_point_to_their_class():
    found = class_directions(Z, LABELS)
    assert list(found) == [1, 3, 5]
    for label, direction in found.items():
        assert_close(np.linalg.norm(direction), 1.0, atol=1e-6)
        along = STANDARD @ direction
        assert along[label == LABELS].mean() > 1.0 > 0.0 > along[label != LABELS].mean()
        assert abs(direction[2]) < 0.15  # no class differs along it


def test_two_classes_are_opposite_and_agree_with_discriminant_analysis():
    of_two = LABELS < 5
    z, labels = Z[of_two], LABELS[of_two]
    found = class_directions(z, labels)
    assert_close(found[1], -found[3], atol=1e-12)
    standard = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0))
    rival = LinearDiscriminantAnalysis().fit(standard, labels).coef_[0]
    assert found[3] @ rival / np.linalg.norm(rival) > 0.98
    assert_close(binary_direction(z, labels, 3), found[3], atol=1e-3)


def test_one_class_against_the_rest():
    direction = binary_direction(Z, LABELS, 1)
    assert direction[0] > 0.95
    assert_close(binary_direction(Z, LABELS == 1, 0), -direction, atol=1e-3)


def test_units_of_the_columns_do_not_matter():
    scaled = class_directions(Z * [1.0, 100.0, 1e-3] + 5.0, LABELS)
    assert_close(scaled[3], class_directions(Z, LABELS)[3], atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tensor_comes_back_as_one(dtype):
    found = class_directions(torch.tensor(Z, dtype=dtype), torch.tensor(LABELS))
    assert found[1].dtype == dtype
    assert_close(found[1], class_directions(Z, LABELS)[1], atol=1e-4)
    assert binary_direction(torch.tensor(Z, dtype=dtype), LABELS, 1).dtype == dtype
    assert class_directions(Z.astype(np.float32), LABELS)[1].dtype == np.float32


def test_the_probe_is_as_good_as_the_best_cut():
    accuracy = linear_probe(Z[:1000], LABELS[:1000], Z[1000:], LABELS[1000:])
    best = ((Z[1000:, None] - CENTERS) ** 2).sum(axis=2).argmin(axis=1) * 2 + 1 == LABELS[1000:]
    assert accuracy == pytest.approx(best.mean(), abs=0.01)
    shuffled = np.random.default_rng(1).permutation(LABELS)
    assert linear_probe(Z[:1000], shuffled[:1000], Z[1000:], shuffled[1000:]) < 0.45
    # Scaled by the training rows, so test rows by themselves are judged where they stand.
    alone = [
        linear_probe(Z[:1000], LABELS[:1000], Z[i : i + 1], LABELS[i : i + 1]) for i in range(1000, 1020)
    ]
    assert np.mean(alone) == linear_probe(Z[:1000], LABELS[:1000], Z[1000:1020], LABELS[1000:1020])


@pytest.mark.parametrize(
    ("z", "labels", "kind", "message"),
    [
        (Z, np.ones(1500), DataError, "labels must hold two classes or more; got the class 1 alone"),
        (Z, LABELS[1:], ShapeError, r"labels must be one label for each of 1500 rows; got shape \(1499,\)"),
        (Z * np.nan, LABELS, DataError, "z must be finite"),
        (Z[0], LABELS, ShapeError, r"z must have shape \(n, d\)"),
        (Z, LABELS + 0.5, DataError, "labels must be whole numbers"),
    ],
)
def test_what_is_refused(z, labels, kind, message):
    with pytest.raises(kind, match=f"class_directions: {message}"):
        class_directions(z, labels)
    with pytest.raises(kind, match=f"binary_direction: {message}"):
        binary_direction(z, labels, 1)
    with pytest.raises(kind, match=f"linear_probe: {message}"):
        linear_probe(z, labels, Z, LABELS)


@pytest.mark.parametrize("kind", [str, object])
def test_words_are_labels_as_numbers_are(kind):
    words = np.array(["ant", "bee", "cat"], dtype=kind)[LABELS // 2]
    of_words, of_numbers = class_directions(Z, words), class_directions(Z, LABELS)
    assert list(of_words) == ["ant", "bee", "cat"]
    for word, number in zip(of_words, of_numbers, strict=True):
        assert_close(of_words[word], of_numbers[number])
    assert_close(binary_direction(Z, words, "bee"), binary_direction(Z, LABELS, 3))
    by_words, by_numbers = ClassShifts.of(Z, words), ClassShifts.of(Z, LABELS)
    assert_close(by_words.ways(Z[:9], "cat"), by_numbers.ways(Z[:9], 5))
    assert_close(by_words.ways(Z[:9], words[:9]), by_numbers.ways(Z[:9], LABELS[:9]))
    assert linear_probe(Z, words, Z, words) == linear_probe(Z, LABELS, Z, LABELS)
    with pytest.raises(DataError, match="towards must be of the labels ant, bee, cat; got dog"):
        by_words.ways(Z[:9], "dog")
    with pytest.raises(DataError, match="towards must be of the labels ant, bee, cat; got 1"):
        by_words.ways(Z[:9], 1)
    with pytest.raises(DataError, match="labels must be real numbers; got dtype object"):
        class_directions(Z, np.array([1, *words[1:]], dtype=object))


def test_what_else_is_refused():
    with pytest.raises(DataError, match="positive must be one of the labels, 1, 3, 5; got 2"):
        binary_direction(Z, LABELS, 2)
    with pytest.raises(ShapeError, match=r"z_test must have shape \(n, 3\)"):
        linear_probe(Z, LABELS, Z[:, :2], LABELS)
    with pytest.raises(ShapeError, match="labels_test must be one label for each of 1500 rows"):
        linear_probe(Z, LABELS, Z, LABELS[1:])


def test_a_way_leads_to_the_mean_of_the_nearest_latents_of_the_class():
    shifts, wanted = ClassShifts.of(Z, LABELS), np.array([1, 5, 3, 3, 5, 1])
    assert shifts.classes.tolist() == [1, 3, 5]
    ways = shifts.ways(Z[:6], wanted)
    for row, (way, label) in enumerate(zip(ways, wanted, strict=True)):
        own = label == LABELS
        order = np.linalg.norm(STANDARD[own] - STANDARD[row], axis=1).argsort()
        assert_close(Z[row] + way, Z[own][order[: own.sum() // 20]].mean(axis=0), atol=1e-9)
    assert_close(shifts.ways(Z[:6], 3)[2:4], ways[2:4])


def test_of_a_large_class_it_is_the_nearest_fifty_and_of_a_small_one_the_nearest():
    z = np.random.default_rng(1).standard_normal((2010, 1))
    shifts = ClassShifts.of(z, np.arange(2010) >= 10)
    far = np.array([[9.0]])
    assert_close(far + shifts.ways(far, 1), [[np.sort(z[10:, 0])[-50:].mean()]], atol=1e-9)
    assert_close(far + shifts.ways(far, 0), [[z[:10].max()]], atol=1e-9)
    # So far that its squared distances leave float32.
    assert_close(shifts.ways(np.array([[1e18]]), 1), [[-1e18]], rtol=1e-12)


def test_the_least_strength_is_where_the_classifier_becomes_sure():
    shifts = ClassShifts.of(Z, LABELS)
    rows = Z[LABELS == 1][:50]
    ways = shifts.ways(rows, 5)
    least = shifts.least(rows, ways, 5, confidence=0.9)

    def told(far):
        moved = (rows + far[:, None] * ways - Z.mean(axis=0)) / np.sqrt(Z.var(axis=0))
        return shifts.classifier.predict_proba(moved)[:, 2]

    assert (told(least) >= 0.9).all()
    assert (told(least - 0.05) < 0.9).all()
    assert shifts.least(rows, -ways, 5).tolist() == [2.0] * 50
    assert (shifts.least(rows, ways, 5, confidence=0.95) > least).all()


def test_what_the_moved_latents_become_is_judged_and_only_while_it_is_needed():
    shifts, asked = ClassShifts.of(Z, LABELS), []
    rows = Z[LABELS == 1][:20]
    ways = shifts.ways(rows, 5)

    def halfway(moved, numbers):
        asked.append(len(numbers))
        return (rows[numbers] + moved) / 2

    least = shifts.least(rows, ways, 5, 0.6, through=halfway, most=3.0)
    assert_close(least, 2 * shifts.least(rows, ways, 5, 0.6), atol=0.1 + 1e-9)
    assert asked[0] == 20 > asked[-1]
    assert asked == sorted(asked, reverse=True)
    with pytest.raises(ShapeError, match="z must have shape"):
        shifts.least(rows, ways, 5, through=lambda moved, numbers: moved[:, :2])


def test_shifts_of_tensors_are_tensors_and_unknown_labels_are_refused():
    shifts = ClassShifts.of(torch.from_numpy(Z), torch.from_numpy(LABELS))
    assert shifts.ways(torch.zeros(2, 3), 1).dtype == torch.float32
    with pytest.raises(DataError, match="towards must be of the labels 1, 3, 5; got 2"):
        shifts.ways(Z[:2], 2)
    with pytest.raises(ShapeError, match="z must have shape"):
        shifts.ways(np.zeros((2, 4)), 1)
    with pytest.raises(DataError, match="must hold two classes"):
        ClassShifts.of(Z, np.ones(len(Z)))
