import numpy as np
import pytest
from diffusers import DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st

from close import assert_close
from dima.errors import SettingError
from dima.noise.grid import SPACINGS, leading, levels, linspace, steps_of, trailing
from dima.noise.schedule import SCHEDULES, path, zero_terminal_snr

PATH = path("linear", 1000)


@given(st.integers(1, 300), st.data(), st.sampled_from(sorted(SPACINGS)))
def test_every_spacing_falls_to_the_clean_level(T, data, spacing):
    steps = data.draw(st.integers(1, T))
    grid = SPACINGS[spacing](T, steps)
    assert (grid[-1], len(grid)) == (0, steps + 1)
    assert grid[0] <= T
    assert np.diff(grid).max() <= -1


@given(st.integers(1, 300), st.data())
def test_trailing_is_even_from_the_noisiest(T, data):
    grid = trailing(T, data.draw(st.integers(1, T)))
    gaps = -np.diff(grid)
    assert grid[0] == T
    assert gaps.max() - gaps.min() <= 1


def test_small_grids_by_hand():
    assert_close(trailing(10, 4), [10, 8, 5, 2, 0])
    assert_close(leading(10, 4), [7, 5, 3, 1, 0])
    assert_close(linspace(10, 4), [10, 7, 4, 1, 0])


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(("T", "steps"), [(200, 30), (1000, 7), (1000, 50), (50, 50)])
def test_grids_of_diffusers(T, steps, spacing):
    theirs = DDPMScheduler(T, timestep_spacing=spacing)
    theirs.set_timesteps(steps)
    assert_close(SPACINGS[spacing](T, steps)[:-1] - 1, theirs.timesteps)


def test_a_list_is_taken_as_it_stands():
    assert_close(steps_of(PATH, [3, 10, 700]), [700, 10, 3, 0])
    alpha, sigma = levels(PATH, [3, 10, 700])
    assert_close(alpha, PATH.alpha[[700, 10, 3, 0]])
    assert_close(sigma, PATH.sigma[[700, 10, 3, 0]])


def test_karras_spreads_the_seventh_root():
    alpha, sigma = levels(PATH, 20, "karras")
    root = (sigma / alpha)[:-1] ** (1 / 7)
    assert_close(np.diff(root), np.full(19, np.diff(root).mean()), rtol=1e-9)
    assert_close([alpha[0], alpha[-2]], PATH.alpha[[1000, 1]], rtol=1e-9)
    assert (alpha[-1], sigma[-1]) == (1, 0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_karras_stays_on_the_path(name):
    # Between levels the path is told by its own interpolation; at them it is exact.
    made = path(name, 1000)
    alpha, sigma = levels(made, 20, "karras")
    at = np.interp(
        -np.log(sigma[:-1] / alpha[:-1]), made.log_snr[::-1], np.hypot(made.alpha, made.sigma)[::-1]
    )
    assert_close(np.hypot(alpha, sigma)[:-1], at, rtol=2e-2)


def test_karras_of_a_path_to_noise_alone():
    alpha, sigma = levels(zero_terminal_snr(PATH), 10, "karras")
    assert np.isfinite([alpha, sigma]).all()
    assert 0 < alpha[0] < 1e-8


def test_the_karras_schedule_is_its_own_grid():
    made = path("karras", 30, sigma_min=0.01, sigma_max=50)
    assert_close(levels(made, 30, "karras")[1], made.sigma[::-1], rtol=1e-9)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        *[((1001,), "steps must be in 1..T = 1000; got 1001"), ((0,), "steps must be in 1..T = 1000; got 0")],
        ((5, "even"), r"spacing must be one of .*'karras'.*'trailing'.*; got 'even'"),
        *[(([3, 2],), "the grid must be a rising list"), (([],), "rising list .*; got 0 entries")],
        *[(([0, 5],), "in 1..T = 1000"), (([5, 1001],), "in 1..T = 1000"), (([2, 2],), "rising list")],
        *[(([1.5, 2.5],), "whole numbers"), ((2.5,), "whole numbers"), (([[1, 2]],), "rising list")],
        ((0, "karras"), "steps must be at least 1; got 0"),
    ],
    ids=str,
)
def test_refused(wrong, told):
    with pytest.raises(SettingError, match=told):
        levels(PATH, *wrong)


def test_a_list_may_hold_every_level_and_none_beyond():
    made = path("cosine", 5)
    assert_close(steps_of(made, [1, 2, 3, 4, 5]), [5, 4, 3, 2, 1, 0])
    for beyond in ([4, 6], [0, 4]):
        with pytest.raises(SettingError, match=r"a rising list of whole numbers in 1\.\.T = 5"):
            steps_of(made, beyond)
