"""Choices of coordinates against the strip, whose modes are known in closed form."""

import json

import numpy as np
import pytest

from close import assert_close
from dima.data.manifolds import s_curve
from dima.errors import SettingError
from dima.manifold import coordinates
from dima.manifold.dmap import DMAP
from manifold.shapes import affine_error, blobs, cloud, modes_of_strip, sheet, strip

OTHERS = [name for name in coordinates.COORDINATES if name != "first"]


@pytest.mark.parametrize(("a", "second"), [(1.5, 1), (3.5, 3), (6.5, 6), (9.5, 9)])
def test_the_second_direction_of_a_strip_is_found_in_its_exact_modes(a, second):
    modes, waves = modes_of_strip(strip(a, across=14), a, 24)
    found = coordinates.Modes(modes, None, None, None, 1.0, 0, None)
    chosen = coordinates.COORDINATES["independent"](found, 2).modes_x
    assert chosen.tolist() == [0, second]
    assert [waves[i] for i in chosen] == [[1, 0], [0, 1]]


def test_many_independent_modes_are_found_in_few_looks(monkeypatch, rng):
    looks, look = [], coordinates.unexplained
    told = lambda chosen, rest: looks.append(chosen.shape[1]) or look(chosen, rest)  # noqa: E731 used once
    monkeypatch.setattr(coordinates, "unexplained", told)
    DMAP(24, k=60, coordinates="independent").fit(rng.random((300, 6)))
    assert looks == [*range(1, 9), 16]


@pytest.mark.parametrize("a", [3.5, 4.4])
def test_independent_modes_of_a_strip_are_one_of_each_direction(a):
    points = strip(a)
    found = DMAP(2, k=40, t=0, coordinates="independent").fit(points)
    waves = np.cos(np.pi * points / [a, 1.0])
    for wave, coordinate in zip(waves.T, found.embedding_.T, strict=True):
        assert abs(np.corrcoef(wave, coordinate)[0, 1]) > 0.99
    assert found.modes_[0] == 1 < found.modes_[1]
    harmonic = DMAP(2, k=40, t=0).fit(points).embedding_[:, 1]
    assert abs(np.corrcoef(waves[:, 1], harmonic)[0, 1]) < 0.1


def test_where_two_modes_share_an_eigenvalue_the_other_direction_is_among_them():
    # a = 4: cos(pi y) and cos(4 pi x / a) have one eigenvalue; any mixture of the two is a mode.
    points = strip(4.0)
    found = DMAP(2, k=40, coordinates="independent").fit(points)
    waves = np.cos(np.pi * np.column_stack([points[:, 1], points[:, 0]]))
    design = np.column_stack([np.ones(len(points)), waves])
    second = found.embedding_[:, 1]
    left = second - design @ np.linalg.lstsq(design, second)[0]
    assert found.modes_[0] == 1
    assert left.std() < 0.15 * second.std()
    assert abs(np.corrcoef(waves[:, 0], second)[0, 1]) > 0.5


def test_unexplained_is_the_fit_to_every_other_row_written_out():
    given, asked = cloud(40, 2), np.column_stack([cloud(40, 2).sum(axis=1) ** 2, cloud(40, 1, seed=1)])
    left = np.empty_like(asked)
    for i in range(40):
        d2 = ((given - given[i]) ** 2).sum(axis=1)
        near = np.sort(np.delete(d2, i))
        root = np.exp(-(d2 - near[0]) / (near[16] - near[0]) / 2)[:, None]  # 3 terms: the 17th neighbour
        root[i] = 0
        design = np.column_stack([np.ones(40), given - given[i]])
        left[i] = asked[i] - np.linalg.lstsq(root * design, root * asked)[0][0]
    expected = np.sqrt((left**2).mean(axis=0)) / asked.std(axis=0)
    assert_close(coordinates.unexplained(given, asked), expected, rtol=1e-5)


def test_rows_of_which_many_are_equal_are_weighed_without_a_word():
    x = np.repeat(np.arange(4.0), 30)[:, None] * 10  # all neighbours of a row are as far: at no distance
    with np.errstate(all="raise", under="ignore"):
        assert_close(coordinates.unexplained(x, x**2), np.zeros(1), atol=1e-6)


def test_functions_are_explained_and_strangers_are_not():
    x = np.random.default_rng(0).uniform(0, np.pi, 500)
    harmonics = np.cos(x[:, None] * np.arange(2, 20))
    shares = coordinates.unexplained(np.cos(x)[:, None], np.column_stack([harmonics, cloud(500, 1)]))
    assert shares[:-1].max() < 0.25
    assert shares[:4].max() < 0.03
    assert 0.9 < shares[-1] < 1.3
    assert_close(coordinates.unexplained(cloud(30, 1), np.ones((30, 1))), np.zeros(1), atol=1e-6)


@pytest.mark.parametrize("n", [4, 9, 30])
def test_few_rows_and_copies(n):
    few = np.vstack([cloud(n, 3), cloud(n, 3)[:2]])
    for name in coordinates.COORDINATES:
        found = DMAP(2, k=n, coordinates=name).fit(few)
        assert found.embedding_.shape == found.transform(few).shape == (n + 2, 2)
        assert np.isfinite(found.self_excluded_).all()


SETTINGS = [{}, {"drop_trivial": False}, {"t": 0.5, "alpha": 0.0, "sym": "mean"}]


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("given", SETTINGS, ids=str)
def test_training_rows_come_back_as_the_embedding(name, given):
    points = np.vstack([sheet(150), sheet(150)[:10]])
    found = DMAP(3, k=15, coordinates=name, **given).fit(points)
    assert_close(found.transform(points), found.embedding_, atol=1e-10)
    assert_close(found.transform(points + 1e-6), found.embedding_, atol=1e-2)
    assert found.embedding_.shape == found.self_excluded_.shape == (160, 3)
    if not given.get("drop_trivial", True):
        assert found.modes_[0] == 0
        assert_close(found.embedding_[:, 0], np.ones(160), atol=1e-12)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore:DMAP. the neighbour graph:UserWarning")
def test_what_tells_parts_apart_stays_first(name):
    points = blobs([60, 50, 40])
    plain, found = DMAP(3, k=12).fit(points), DMAP(3, k=12, coordinates=name).fit(points)
    assert found.modes_[:2].tolist() == [1, 2]
    assert_close(found.embedding_[:, :2], plain.embedding_[:, :2], atol=1e-10)
    assert DMAP(1, k=12, coordinates=name).fit(points).embedding_.shape == (150, 1)


@pytest.mark.parametrize("name", OTHERS)
def test_saved_maps_are_equal_to_the_bit(name):
    found, queries = DMAP(2, k=15, coordinates=name).fit(sheet(150)), sheet(20, seed=1)
    saved, arrays = found.to_arrays()
    restored = DMAP.from_arrays(json.loads(json.dumps(saved)), arrays)
    assert restored.coordinates == name
    assert_close(restored.transform(queries), found.transform(queries))
    assert_close(restored.self_excluded_, found.self_excluded_)
    assert_close(restored.modes_, found.modes_)


@pytest.mark.parametrize("a", [2.5, 3.5, 4.0, 6.0])
def test_a_chart_of_a_strip_reads_off_new_points_and_has_its_lengths(a):
    known, new = strip(a), strip(a, seed=1)
    found = DMAP(2, k=40, coordinates="chart").fit(known)
    assert affine_error(found.embedding_, known, found.transform(new), new) < 0.08
    plain = DMAP(2, k=40).fit(known)
    assert affine_error(plain.embedding_, known, plain.transform(new), new) > 0.15
    assert_close(found.embedding_.std(axis=0), np.array([a, 1.0]) / np.sqrt(12), rtol=0.15)
    scaled = DMAP(2, k=40, coordinates="chart").fit(10 * known)
    assert_close(scaled.embedding_, 10 * found.embedding_, atol=0.05)


def test_a_chart_of_the_s_curve_is_its_plane():
    (X, plane), (X_new, plane_new) = s_curve(1500, seed=1), s_curve(500, seed=2)
    found = DMAP(2, coordinates="chart").fit(X)
    assert affine_error(found.embedding_, plane, found.transform(X_new), plane_new) < 0.08
    errors = {}
    for name in ("first", "independent"):
        other = DMAP(2, coordinates=name).fit(X)
        errors[name] = affine_error(other.embedding_, plane, other.transform(X_new), plane_new)
    assert errors["first"] > errors["independent"] > 0.1


def test_a_chart_has_as_many_columns_as_coordinates():
    found = DMAP(2, k=15, coordinates="chart").fit(sheet(300))
    assert found.facts()["d"] == 2 < len(found.modes_) == len(found.eigenvalues_)
    assert list(found.get_feature_names_out()) == ["dmap0", "dmap1"]
    assert found.embedding_.std(axis=0)[0] > found.embedding_.std(axis=0)[1]


def test_maps_saved_before_there_was_a_choice_have_the_first_modes():
    plain = DMAP(2, k=15).fit(sheet(100))
    saved, arrays = plain.to_arrays()
    del saved["fit"]["settings"]["coordinates"], arrays["modes_x"]
    restored = DMAP.from_arrays(saved, arrays)
    assert restored.coordinates == "first"
    assert_close(restored.modes_, np.array([1, 2], np.int32))
    assert_close(restored.embedding_, plain.embedding_)


def test_another_choice_is_refused():
    with pytest.raises(SettingError, match=r"^DMAP: coordinates must be .*got 'best'"):
        DMAP(2, coordinates="best").fit(sheet(30))


def _sphere(n):
    points = cloud(n, 3)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _curve(n):
    angle = np.linspace(0, 6, n)
    return np.column_stack([np.cos(angle), np.sin(angle), angle])


SHAPES = {
    "curve": (_curve(400), 1),
    "circle": (_curve(400)[:, :2], 2),
    "wide strip": (strip(1.5), 2),
    "strip": (strip(4.4), 2),
    "long strip": (strip(12.5, across=10), 2),
    "S-curve": (s_curve(1500)[0], 2),
    "sphere": (_sphere(1500), 3),
    "box": (np.random.default_rng(0).random((2000, 3)), 3),
}


@pytest.mark.parametrize("name", SHAPES)
def test_as_many_coordinates_are_taken_as_there_are_directions(name, caplog):
    points, directions = SHAPES[name]
    rows = np.hstack([points, np.zeros((len(points), 5))])  # there may be more than columns that vary
    with caplog.at_level("INFO", "dima"):
        found = DMAP(k=40, coordinates="independent").fit(rows)
    assert found.embedding_.shape == (len(rows), directions)
    assert f"DMAP: d = {directions} is taken: {directions} of the " in caplog.text
    assert found.facts()["d"] == directions == len(found.get_feature_names_out())
    asked = DMAP(directions, k=40, coordinates="independent").fit(rows)
    assert_close(
        np.abs(asked.transform(rows[:9] + 0.01)), np.abs(found.transform(rows[:9] + 0.01)), rtol=1e-5
    )


def test_what_tells_parts_apart_is_taken_beside_the_directions_of_all():
    with pytest.warns(UserWarning, match="3 parts; 2 of the coordinates tell them apart"):
        found = DMAP(k=20).fit(blobs([60, 50, 40]))
    assert found.fit_.settings["d"] > 2
    constant = DMAP(k=40, drop_trivial=False).fit(strip(4.4))
    assert constant.embedding_.shape[1] == 3
    assert_close(constant.embedding_[:, 0], np.ones(len(strip(4.4))), atol=1e-12)


def test_there_are_no_more_directions_than_columns():
    assert DMAP(k=30).fit(cloud(300, 2)).embedding_.shape == (300, 2)
    assert DMAP(k=30).fit(cloud(300, 40)).embedding_.shape[1] <= 32


@pytest.mark.parametrize(("points", "d", "same"), [(_sphere(800), 3, "first"), (strip(4.4), 2, "chart")])
def test_auto_is_a_chart_where_the_slowest_modes_are_no_directions(points, d, same):
    auto, named = (DMAP(d, k=40, coordinates=name).fit(points) for name in ("auto", same))
    assert_close(auto.embedding_, named.embedding_, atol=1e-6)
    assert_close(auto.transform(points[:9] + 0.01), named.transform(points[:9] + 0.01), atol=1e-6)
