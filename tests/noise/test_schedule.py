import jax.numpy as jnp
import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from hypothesis import given
from hypothesis import strategies as st

from close import assert_close
from dima.errors import SettingError
from dima.noise.schedule import (
    SCHEDULES,
    Path,
    from_betas,
    log_ratio,
    path,
    signal_and_noise,
    zero_terminal_snr,
)

KINDS = {"numpy": np.asarray, "jax": jnp.asarray, "torch": torch.as_tensor}
LENGTHS = [1, 2, 10, 50, 200, 1000]
PRESERVING = [name for name in SCHEDULES if name not in ("karras", "flow")]
CHAINS = ["cosine", "linear", "sigmoid", "sigmoid_geodiff"]
every_path = pytest.mark.parametrize(("name", "T"), [(name, T) for name in SCHEDULES for T in LENGTHS])
every_chain = pytest.mark.parametrize(("name", "T"), [(name, T) for name in PRESERVING for T in LENGTHS])


def betas_of(made):
    return 1 - (made.alpha[1:] / made.alpha[:-1]) ** 2


@every_path
@pytest.mark.parametrize("floor", [0.0, 1e-5, 0.1])
def test_levels_fall_strictly_from_clean(name, T, floor):
    made = path(name, T, **({"eps": floor} if name in CHAINS else {}))
    assert made.T == T
    assert (made.alpha[0], made.sigma[0]) == (1, 0)
    assert np.isfinite([made.alpha, made.sigma]).all()
    # Strictly, in what the network and the solvers see too: equal levels have no step between them.
    assert (np.diff(made.sigma) > 0).all()
    assert (np.diff(made.log_snr) < 0).all()


@every_chain
def test_variance_is_kept(name, T):
    made = path(name, T)
    assert_close(made.alpha**2 + made.sigma**2, np.ones(T + 1), atol=1e-15)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("T", LENGTHS)
@pytest.mark.parametrize("floor", [0.0, 1e-5, 0.1])
def test_nearly_no_signal_is_left(name, T, floor):
    assert floor <= path(name, T, eps=floor).alpha[-1] ** 2 <= floor + 1.01e-3


@pytest.mark.parametrize(("name", "theirs"), [("linear", "linear"), ("cosine", "squaredcos_cap_v2")])
def test_betas_of_diffusers(name, theirs):
    assert_close(
        betas_of(path(name, 1000, eps=0)), DDPMScheduler(1000, beta_schedule=theirs).betas, atol=1e-6
    )


def test_sigmoid_betas_of_diffusers():
    made = path("sigmoid_geodiff", 1000, eps=0)
    assert_close(betas_of(made), DDPMScheduler(1000, beta_schedule="sigmoid").betas, atol=1e-6)


def test_published_ranges_are_tuned():
    theirs = DDPMScheduler(1000, beta_start=1e-3, beta_end=1e-2).betas
    assert_close(betas_of(path("linear", 1000, beta_start=1e-3, beta_end=1e-2, eps=0)), theirs, atol=1e-6)


@pytest.mark.parametrize("T", [10, 50, 200])
@pytest.mark.parametrize("name", ["linear", "sigmoid_geodiff"])
def test_a_shorter_chain_visits_levels_of_the_published_one(name, T):
    kept = path(name, 1000).alpha[:: 1000 // T]
    assert_close(path(name, T, beta_max=0.9999).alpha, kept, rtol=1e-12)


def test_cosine_halves_the_signal_at_half_time():
    signal = path("cosine", 1000, eps=0).alpha ** 2
    angle = (0.5 + 0.008) / 1.008 * np.pi / 2
    first = 0.008 / 1.008 * np.pi / 2
    assert_close(signal[500], np.cos(angle) ** 2 / np.cos(first) ** 2, rtol=1e-12)


def test_sigmoid_is_half_at_half_time_and_symmetric():
    signal = path("sigmoid", 1000, eps=0).alpha ** 2
    assert_close(signal[500], 0.5, rtol=1e-12)
    assert_close(signal[1:400] + signal[999:600:-1], np.ones(399), atol=1e-12)


def test_the_ends_of_the_circle():
    made = path("offset_cosine", 100)
    assert_close(made.alpha[[1, -1]], [0.95, 0.02], rtol=1e-12)


def test_karras_levels_by_hand():
    # Their step i of n runs downwards: sigma_0 = max.
    n, low, high = 18, 0.002 ** (1 / 7), 80 ** (1 / 7)
    made = path("karras", n)
    assert_close(made.sigma[:0:-1], [(high + i / (n - 1) * (low - high)) ** 7 for i in range(n)], rtol=1e-12)
    assert_close(made.alpha, np.ones(n + 1))


def test_flow_is_a_straight_line():
    made = path("flow", 4)
    assert_close(made.alpha, [1, 0.75, 0.5, 0.25, 0])
    assert_close(made.sigma, [0, 0.25, 0.5, 0.75, 1])


@given(st.lists(st.floats(1e-4, 0.5), min_size=1, max_size=30))
def test_a_chain_of_betas_by_adding_variances(betas):
    variance = 0.0
    for beta in betas:
        variance = (1 - beta) * variance + beta
    made = from_betas(np.array(betas))
    assert_close(made.sigma[-1] ** 2, variance, atol=1e-12)


def test_beta_max_caps_each_step():
    assert betas_of(path("cosine", 50, beta_max=0.3, eps=0)).max() == pytest.approx(0.3)


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_zero_terminal_snr_of_diffusers(name):
    made = path(name, 1000)
    theirs = rescale_zero_terminal_snr(torch.as_tensor(betas_of(made)))
    rescaled = zero_terminal_snr(made)
    assert_close(betas_of(rescaled), theirs, atol=1e-9)
    assert (rescaled.alpha[0], rescaled.alpha[-1], rescaled.sigma[-1]) == (1, 0, 1)
    assert_close(rescaled.alpha[1], made.alpha[1], rtol=1e-12)


@every_chain
def test_zero_terminal_snr_falls_strictly(name, T):
    made = zero_terminal_snr(path(name, T))
    assert made.alpha[-1] == 0
    assert (np.diff(made.log_snr) < 0).all()
    assert_close(np.hypot(made.alpha, made.sigma), np.ones(T + 1), atol=1e-12)


def test_what_ends_in_noise_alone_is_left():
    made = path("flow", 20)
    assert zero_terminal_snr(made) is made


@pytest.mark.parametrize("array", KINDS.values(), ids=KINDS)
def test_levels_of_a_log_ratio_in_every_array_type(array):
    log_snr = np.linspace(-20, 20, 1001, dtype=np.float32)
    found = signal_and_noise(array(log_snr))
    for level, sign in zip(found, (-2, 2), strict=True):
        assert type(level) is type(array(log_snr))
        assert str(level.dtype).endswith("float32")
        # Five units in the last place where little is left of the level, one where much is.
        assert_close(np.asarray(level), 1 / np.sqrt(1 + np.exp(sign * log_snr.astype(float))), rtol=8e-7)
    assert_close(np.hypot(*map(np.asarray, found)), np.ones(1001), atol=2e-7)


def test_levels_and_their_log_ratio_are_inverse():
    log_snr = np.linspace(-18, 18, 101)
    assert_close(log_ratio(*signal_and_noise(log_snr)), log_snr, rtol=1e-12)


def test_a_setting_that_is_none_is_not_given():
    assert_close(path("flow", 5, eps=None).alpha, path("flow", 5).alpha)
    assert_close(path("linear", 5, beta_end=None).alpha, path("linear", 5).alpha)


def test_log_ratio_is_bounded_where_a_share_is_zero():
    levels = np.array([1.0, 1.0, 0.0]), np.array([0.0, 1.0, 1.0])
    assert_close(log_ratio(*levels), [20, 0, -20])
    assert_close(log_ratio(*levels, np.inf), [np.inf, 0, -np.inf])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: path("sine", 10), r"schedule must be one of \['cosine', .*'linear'.*\]; got 'sine'"),
        (lambda: path("linear", 0), "T must be at least 1; got 0"),
        (lambda: path("linear", 10**12), "T must be at most 1,000,000; got 1000000000000"),
        (lambda: path("linear", 9, beta_start=-0.1), "beta_start must be .* > 0 and < 1; got -0.1"),
        (
            lambda: path("linear", 9, beta_start=0.03),
            "beta_start must be at most beta_end; got 0.03 and 0.02",
        ),
        (lambda: path("sigmoid_geodiff", 9, beta_start=0.03), "beta_start must be at most beta_end"),
        (lambda: path("linear", 9, beta_end=1.0), "beta_end must be"),
        (lambda: path("linear", 9, beta_end=np.nan), "beta_end must be a finite number"),
        (lambda: path("karras", 9, sigma_min=0.0), "sigma_min must be a finite number > 0; got 0.0"),
        (lambda: path("karras", 9, sigma_max=0.001), "sigma_min must be at most sigma_max"),
        (lambda: path("cosine", 9, eps=1.0), "eps must be .* >= 0 and < 1; got 1.0"),
        (lambda: path("cosine", 9, beta_max=0.0), "beta_max must be .* > 0"),
        (
            lambda: path("cosine", 9, beta_end=0.5),
            "beta_end must be left out with schedule 'cosine'; got 0.5. "
            "It is a setting of linear and sigmoid_geodiff.$",
        ),
        (lambda: path("linear", 9, sigma_max=1.0), "It is a setting of karras.$"),
        (lambda: path("flow", 9, beta_stop=0.1), "got 'beta_stop'. Did you mean 'beta_start'"),
        (lambda: from_betas([0.1, -0.1]), r"betas must be within \(0, 1\); got -0.1 to 0.1"),
        (lambda: from_betas([0.1, np.nan]), "betas must be within"),
        (lambda: from_betas([0.1, 1.0]), "betas must be within"),
        (lambda: from_betas([0.1, 1.5]), "betas must be within"),
        (lambda: zero_terminal_snr(path("karras", 9)), "zero_snr must be on a path of constant variance"),
        (lambda: zero_terminal_snr(Path(np.array([1, 0.5]), np.array([0, 0.5]))), "zero_snr must be"),
    ],
)
def test_refused(wrong, told):
    with pytest.raises(SettingError, match=told):
        wrong()
