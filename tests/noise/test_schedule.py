import numpy as np
import pytest
from diffusers import DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st

from close import assert_close
from dima.errors import SettingError
from dima.noise.schedule import SCHEDULES, from_betas, log_ratio, path, trailing

LENGTHS = [1, 10, 50, 200, 1000]
every_path = pytest.mark.parametrize(("name", "T"), [(name, T) for name in SCHEDULES for T in LENGTHS])


@every_path
def test_betas_are_variances(name, T):
    betas = SCHEDULES[name](T)
    assert betas.shape == (T,)
    assert (betas > 0).all()
    assert (betas <= 1).all()  # the published cosine ends at 1, which `path` caps
    kept = (path(name, T).alpha[1:] / path(name, T).alpha[:-1]) ** 2
    assert_close(kept, 1 - np.minimum(betas, 0.999), rtol=1e-9)


@every_path
@pytest.mark.parametrize("floor", [0.0, 1e-5, 0.1])
def test_signal_falls_from_one_to_nearly_nothing(name, T, floor):
    made = path(name, T, floor=floor)
    assert made.T == T
    assert (made.alpha[0], made.sigma[0]) == (1, 0)
    assert_close(made.alpha**2 + made.sigma**2, np.ones(T + 1), atol=1e-15)
    # Strictly, in what the network and the solvers see too: equal levels have no step between them.
    assert (np.diff(made.alpha) < 0).all()
    assert (np.diff(made.log_snr) < 0).all()
    assert floor <= made.alpha[-1] ** 2 <= floor + 1.01e-3


@pytest.mark.parametrize("name", SCHEDULES)
def test_betas_of_diffusers(name):
    theirs = {"linear": "linear", "cosine": "squaredcos_cap_v2"}[name]
    betas = np.minimum(SCHEDULES[name](1000), 0.999)
    assert_close(betas, DDPMScheduler(1000, beta_schedule=theirs).betas, atol=1e-6)


@pytest.mark.parametrize("T", LENGTHS[1:-1])
def test_a_shorter_linear_chain_visits_levels_of_the_published_one(T):
    kept = path("linear", 1000).alpha[:: 1000 // T]
    assert_close(path("linear", T, beta_max=0.9999).alpha, kept, rtol=1e-12)


def test_cosine_halves_the_signal_at_half_time():
    signal = path("cosine", 1000).alpha ** 2
    angle = (0.5 + 0.008) / 1.008 * np.pi / 2
    first = 0.008 / 1.008 * np.pi / 2
    assert_close(signal[500], np.cos(angle) ** 2 / np.cos(first) ** 2, rtol=1e-12)


@given(st.lists(st.floats(1e-4, 0.5), min_size=1, max_size=30))
def test_a_chain_of_betas_by_adding_variances(betas):
    variance = 0.0
    for beta in betas:
        variance = (1 - beta) * variance + beta
    made = from_betas(np.array(betas))
    assert_close(made.sigma[-1] ** 2, variance, atol=1e-12)


def test_beta_max_caps_each_step():
    alpha = path("cosine", 50, beta_max=0.3).alpha
    assert (1 - (alpha[1:] / alpha[:-1]) ** 2).max() == pytest.approx(0.3)


def test_log_ratio_is_bounded_where_a_share_is_zero():
    assert_close(log_ratio(np.array([1.0, 1.0, 0.0]), np.array([0.0, 1.0, 1.0])), [20, 0, -20])


@given(st.integers(1, 300), st.data())
def test_trailing_grid(T, data):
    steps = data.draw(st.integers(1, T))
    grid = trailing(T, steps)
    assert (grid[0], grid[-1], len(grid)) == (T, 0, steps + 1)
    gaps = -np.diff(grid)
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(("T", "steps"), [(200, 30), (1000, 7), (1000, 50), (50, 50)])
def test_trailing_grid_of_diffusers(T, steps):
    theirs = DDPMScheduler(T, timestep_spacing="trailing")
    theirs.set_timesteps(steps)
    assert_close(trailing(T, steps)[:-1] - 1, theirs.timesteps)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: path("sine", 10), r"schedule must be one of \['cosine', 'linear'\]; got 'sine'"),
        (lambda: path("linear", 0), "T must be at least 1; got 0"),
        (lambda: trailing(10, 11), "steps must be in 1..T = 10; got 11"),
        (lambda: trailing(10, 0), "steps must be in 1..T = 10; got 0"),
    ],
)
def test_refused(wrong, told):
    with pytest.raises(SettingError, match=told):
        wrong()
