import functools
import os
import signal

import jax
import numpy as np
import pytest
from sklearn.base import clone

from close import assert_close
from dima import memory
from dima.errors import (
    BackendError,
    DataError,
    MemoryBudgetError,
    NotFittedError,
    NumericsError,
    SettingError,
    ShapeError,
)
from dima.latent import ddpm_fit, denoiser, train
from dima.latent.ddpm import DDPM
from dima.noise import grid, schedule, solver

# One set of sizes for every trained model: one compilation.
SIZES = {"hidden_dim": 32, "t_embed_dim": 16, "n_iter": 1000, "learning_rate": 3e-3}
MIXING = np.array([[1.5, 0.0], [0.8, 0.4]])


def correlated():
    return np.random.default_rng(0).standard_normal((1000, 2)) @ MIXING.T + [3.0, -1.0]


def circle(n=1000, noise=0.0):
    random = np.random.default_rng(1)
    angle = random.uniform(0, 2 * np.pi, n)
    radius = 1 + noise * random.standard_normal(n)
    return (radius * [np.cos(angle), np.sin(angle)]).T


def untrained(**settings):
    return DDPM(**{**SIZES, "n_iter": 0, **settings}).fit(correlated())


def clone_of(model):
    return DDPM.from_arrays(*model.to_arrays())


@pytest.fixture(scope="module")
def gaussian():
    return DDPM(100, **SIZES).fit(correlated())


@pytest.fixture(scope="module")
def ring():
    return DDPM(100, **SIZES).fit(circle())


def off_circle(X):
    return np.abs(np.hypot(*X.T) - 1).mean()


def walked_variance(name, variance, steps):
    """What this many steps make of a Gaussian's variance, with its exact denoiser."""
    path = schedule.path("cosine", 100, eps=1e-5)
    table = solver.build(name, *grid.levels(path, steps))
    gain = table.alpha * variance / (table.alpha**2 * variance + table.sigma**2)
    basis = np.eye(table.steps + 1)  # of the start and every draw
    ends = solver.walk(table, lambda x, i: gain[i] * x, basis[0], basis[1:])
    return (ends**2).sum()


@pytest.mark.parametrize("name", solver.SOLVERS)
def test_moments_of_a_gaussian(gaussian, name):
    Z = correlated()
    X = (gaussian.sample(8000, name, steps=50) - Z.mean(axis=0)) / Z.std(axis=0)
    variance, axes = np.linalg.eigh(np.corrcoef(Z.T))
    expected = axes * [walked_variance(name, v, 50) for v in variance] @ axes.T
    assert_close(X.mean(axis=0), [0, 0], atol=0.08)
    assert_close(np.cov(X.T), expected, atol=0.08)


def test_losses_fall_below_that_of_answering_zero(gaussian):
    assert_close(gaussian.losses_[:, 0], np.arange(50, 1001, 50))
    assert gaussian.losses_[-1, 1] < 0.95


def test_a_sample_does_not_depend_on_its_batch(gaussian, monkeypatch):
    ten = gaussian.sample(10)
    assert ten.shape == (10, 2)
    assert ten.dtype == np.float32
    assert_close(gaussian.sample(5), ten[:5], atol=1e-6)
    monkeypatch.setattr(ddpm_fit, "_TOGETHER", 5)
    assert_close(gaussian.sample(10), ten, atol=1e-6)
    assert gaussian.sample(0).shape == (0, 2)


def test_seeds(gaussian):
    assert_close(gaussian.sample(10, seed=1), gaussian.sample(10, seed=1))
    assert not np.isclose(gaussian.sample(10, seed=1), gaussian.sample(10, seed=2)).any()


def test_ddpm_is_ddim_at_full_eta(gaussian):
    ancestral = gaussian.sample(10, "ddpm", steps=50, seed=4)
    assert_close(gaussian.sample(10, "ddim", eta=1, seed=4), ancestral)
    assert not np.isclose(gaussian.sample(10, "ddim", seed=4), ancestral).any()


def test_another_seed_is_another_model(gaussian):
    other = DDPM(100, seed=1, **SIZES).fit(correlated())
    assert not np.isclose(other.sample(10), gaussian.sample(10)).any()


def test_refining_from_level_zero_returns_the_points(ring):
    X = circle(50, noise=0.2).astype(np.float32)
    refined = ring.refine(X, t_start=0)
    assert_close(refined, X)
    assert not np.shares_memory(refined, X)
    assert (ring.refine(circle(50) + 1e8, t_start=0) == circle(50) + 1e8).all()  # no digit is lost


@pytest.mark.parametrize("add_noise", [True, False])
@pytest.mark.parametrize("name", ["ddim", "ddpm", "dpmpp_2m", "unipc_2"])
def test_refining_pulls_towards_the_circle(ring, name, add_noise):
    X = circle(500, noise=0.2)
    refined = ring.refine(X, t_start=20, add_noise=add_noise, solver=name)
    assert refined.dtype == np.float32
    assert off_circle(refined) < 0.6 * off_circle(X)
    assert np.linalg.norm(refined - X, axis=1).mean() < 0.7  # near where it was, not anywhere


def test_noise_is_added_only_if_asked(ring):
    X = circle(500, noise=0.2)

    def refined(add_noise, seed):
        return ring.refine(X, t_start=20, add_noise=add_noise, solver="ddim", seed=seed)

    assert_close(refined(False, 1), refined(False, 2))
    assert not np.isclose(refined(True, 1), refined(True, 2)).all(axis=1).any()


def test_refining_by_the_exact_denoiser_of_a_unit_gaussian():
    # An untrained v network answers zero, so D = alpha x and every row is one factor.
    X, Z = circle(500), correlated()
    path = schedule.path("cosine", 100, eps=1e-5)
    table = solver.build("ddim", path.alpha[20::-1], path.sigma[20::-1])
    factor = path.alpha[20] * np.prod(table.M[:, 1, 1] + table.M[:, 1, 2] * table.alpha[:-1])
    expected = Z.mean(axis=0) + (X - Z.mean(axis=0)) * factor
    refined = untrained(T=100).refine(X, t_start=20, add_noise=False, solver="ddim")
    assert_close(refined, expected, atol=1e-4)


def test_samples_lie_near_the_circle(ring):
    samples = ring.sample(8000)
    assert off_circle(samples) < 0.15
    assert_close(samples.mean(axis=0), [0, 0], atol=0.15)


@pytest.mark.parametrize(("offset", "dtype"), [(10.0, np.float32), (1e9, np.float64)])
def test_points_far_from_zero_keep_their_digits(offset, dtype):
    X = untrained(T=20).fit(correlated() + offset).sample(200)
    assert X.dtype == dtype
    assert_close(X.std(axis=0), correlated().std(axis=0), rtol=0.3)
    assert len(np.unique(X[:, 0])) == 200


def test_a_constant_column_stays_constant():
    Z = correlated()
    Z[:, 1] = 1e4 + 0.1
    model = DDPM(100, **SIZES).fit(Z)
    assert set(model.sample(10)[:, 1]) == {np.float32(1e4 + 0.1)}
    assert set(model.refine(Z[:500], t_start=20)[:, 1]) == {np.float32(1e4 + 0.1)}
    assert np.ptp(model.sample(10)[:, 0]) > 0.5


def test_arrays_make_an_equal_model(gaussian):
    saved, arrays = gaussian.to_arrays()
    again = DDPM.from_arrays(saved, {name: values.copy() for name, values in arrays.items()})
    assert again.get_params() == gaussian.get_params()
    assert_close(again.sample(10), gaussian.sample(10))
    X = correlated()[:500]
    assert_close(again.refine(X, t_start=20), gaussian.refine(X, t_start=20))
    assert_close(again.losses_, gaussian.losses_)


@pytest.mark.parametrize(
    ("name", "T"), [(name, 10) for name in schedule.SCHEDULES] + [("cosine", 1), ("cosine", 1000)]
)
def test_a_chain_of_any_length_is_walked_whole(name, T):
    # Untrained, a v network is the exact denoiser of independent unit Gaussians.
    X = untrained(T=T, schedule=name).sample(10, "ddpm", steps=None)
    assert np.isfinite(X).all()
    assert np.abs((X - correlated().mean(axis=0)) / correlated().std(axis=0)).max() < 5


@pytest.mark.parametrize(("T", "name", "steps"), [(60, "ddim", 50), (10, "ddim", 10), (60, "ddpm", 60)])
def test_steps_if_none_are_given(T, name, steps):
    model = untrained(T=T)
    assert_close(model.sample(10, name), model.sample(10, name, steps=steps))


def test_a_second_fit_is_equal_while_the_log_says_the_loss(gaussian, caplog):
    Z = correlated()
    Z.flags.writeable = False
    with caplog.at_level("INFO", logger="dima"):
        again = DDPM(100, verbose_every=500, **SIZES).fit(Z)
    assert_close(again.sample(10), gaussian.sample(10))
    told = [record.getMessage() for record in caplog.records if record.name == "dima"]
    assert [line.split(",")[0] for line in told] == [
        "DDPM: step 500 of 1000",
        "DDPM: step 1000 of 1000",
    ]
    assert_close(again.losses_, gaussian.losses_)


def test_an_infinite_loss_is_said_and_leaves_nothing_fitted(monkeypatch):
    init, model = denoiser.init, DDPM(100, **SIZES)
    huge = functools.partial(jax.tree.map, lambda value: value + 1e30)
    monkeypatch.setattr(denoiser, "init", lambda *sizes: huge(init(*sizes)))
    with pytest.raises(NumericsError, match=r"the loss must be finite.*Lower the learning rate"):
        model.fit(correlated())
    with pytest.raises(NotFittedError):
        model.sample(1)


@pytest.mark.parametrize(
    "wrong",
    [
        *[{"n_iter": -1}, {"T": 0}, {"T": 2.5}, {"schedule": "sine"}, {"target": "w"}],
        *[{"learning_rate": 0.0}, {"ema_decay": 1.0}, {"eps": 1.0}, {"beta_max": np.nan}],
        *[{"batch_size": 0}, {"hidden_dim": 0}, {"device": "tpu"}, {"seed": -1}],
        *[{"beta_start": -0.1}, {"beta_end": 1.0}, {"weight": "snr"}, {"patience": 0}],
    ],
    ids=str,
)
def test_wrong_settings(wrong):
    with pytest.raises(SettingError, match=f"DDPM: {next(iter(wrong))} must be"):
        DDPM(**wrong).fit(correlated())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"schedule": "cosine", "beta_end": 0.5}, "beta_end must be left out with schedule 'cosine'"),
        ({"schedule": "flow", "eps": 0.1}, "eps must be left out with schedule 'flow'"),
    ],
    ids=str,
)
def test_a_setting_of_another_schedule_is_refused(settings, told):
    with pytest.raises(SettingError, match=told):
        DDPM(**settings).fit(correlated())


@pytest.mark.parametrize(
    ("points", "error"),
    [
        (np.full((5, 2), np.nan), DataError),
        (np.array([[1.0, np.inf]]), DataError),
        (np.empty((0, 2)), DataError),
        (np.ones(5), ShapeError),
        (np.ones((2, 2, 2)), ShapeError),
        (np.ones((5, 2), complex), DataError),
        (np.full((5, 2), "a", object), DataError),
    ],
)
def test_wrong_points(gaussian, points, error):
    with pytest.raises(error, match="DDPM"):
        DDPM(n_iter=0).fit(points)
    with pytest.raises(error, match="DDPM"):
        gaussian.refine(points)


def test_one_point_teaches_nothing(gaussian):
    with pytest.raises(DataError, match=r"DDPM: .* 1 sample.* minimum of 2 "):
        DDPM(n_iter=0).fit([[1.0, 2.0]])
    assert gaussian.refine([[1.0, 2.0]], t_start=1).shape == (1, 2)


@pytest.mark.parametrize(
    ("wrong", "thing"),
    [
        *[({"n": -1}, "n"), ({"n": 2.5}, "n"), ({"n": None}, "n")],
        *[({"steps": 101}, "steps"), ({"steps": 0}, "steps"), ({"steps": 2.5}, "steps")],
        *[({"eta": -0.1}, "eta"), ({"eta": 1.1}, "eta"), ({"eta": np.nan}, "eta")],
        *[
            ({"solver": "heun", "eta": 0.5}, "eta"),
            ({"churn": 0.1}, "churn"),
            ({"spacing": "even"}, "spacing"),
        ],
        *[({"seed": -1}, "seed"), ({"seed": 2**31}, "seed")],
        ({"solver": "euler"}, "solver"),
    ],
)
def test_wrong_questions(gaussian, wrong, thing):
    with pytest.raises(SettingError, match=f"{thing} must be .*; got"):
        gaussian.sample(**{"n": 3, **wrong})


@pytest.mark.parametrize("t_start", [101, 100, -1, 2.5])
def test_wrong_level_to_refine_from(gaussian, t_start):
    with pytest.raises(SettingError, match=f"t_start must be .*; got {t_start}"):
        gaussian.refine(correlated(), t_start=t_start)


def test_churn_reaches_its_solver(gaussian):
    some, more = (gaussian.sample(50, "churned", steps=20, churn=churn) for churn in (0.1, 0.4))
    assert not np.isclose(some, more).all()
    assert_close(gaussian.sample(50, "churned", steps=20), more)


def test_settings_changed_after_fit_change_nothing_fitted(ring):
    model = clone_of(ring)
    before = model.sample(20), model.refine(circle(20), t_start=10), model.score_samples(circle(20))
    model.set_params(T=7, target="eps", schedule="linear", eps=0.5, device="gpu", hidden_dim=3)
    after = model.sample(20), model.refine(circle(20), t_start=10), model.score_samples(circle(20))
    for one, other in zip(before, after, strict=True):
        assert_close(one, other)
    assert_close(clone_of(model).sample(20), before[0])


@pytest.fixture
def stopped(monkeypatch):
    """A fit whose process is told to stop after so many records."""

    def fit(model, folder, after):
        steps = train.Engine.steps

        def counted(self, state):
            for count, pair in enumerate(steps(self, state), start=1):
                if count == after:
                    os.kill(os.getpid(), signal.SIGTERM)
                yield pair

        with monkeypatch.context() as patch:
            patch.setattr(train.Engine, "steps", counted)
            with pytest.raises(SystemExit):
                model.fit(correlated(), checkpoint=folder)

    return fit


@pytest.mark.parametrize("patience", [None, 3])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path, stopped, patience):
    small = {**SIZES, "n_iter": 100, "patience": patience}
    whole = DDPM(20, **small).fit(correlated())
    stopped(DDPM(20, **small), tmp_path / "run", after=3)  # before patience can end it
    # Neither what is logged nor where it runs is part of the run.
    resumed = DDPM(20, **small, verbose_every=10, device="cpu").fit(correlated(), checkpoint=tmp_path / "run")
    assert_close(resumed.losses_, whole.losses_)
    for name, values in whole.parameters_.items():
        assert_close(resumed.parameters_[name], values)


@pytest.mark.parametrize(
    ("other", "seed", "named"),
    [({"learning_rate": 0.1, "ema_decay": 0.5}, 0, "ema_decay, learning_rate"), ({}, 1, "points")],
    ids=str,
)
def test_another_run_is_refused_and_told_by_what(tmp_path, other, seed, named):
    small = {**SIZES, "n_iter": 100}
    DDPM(20, **small).fit(correlated(), checkpoint=tmp_path)
    with pytest.raises(SettingError, match=f"got others: {named}\\. Give"):
        DDPM(20, **{**small, **other}).fit(correlated() + seed * np.eye(1000, 2), checkpoint=tmp_path)


@pytest.mark.parametrize("name", ["T", "hidden_dim", "t_embed_dim"])
def test_sizes_that_no_table_can_hold_are_refused(name):
    told = rf"^DDPM: {name} must be a whole number .* <= .*; got 1000000000000\."
    with pytest.raises(SettingError, match=told):
        DDPM(**{**SIZES, name: 10**12}).fit(correlated())


def test_a_network_that_memory_cannot_hold_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**6)
    told = r"^DDPM: training a network of this width must fit into memory; got .* Lower hidden_dim\."
    with pytest.raises(MemoryBudgetError, match=told):
        DDPM(20, hidden_dim=256, n_iter=1).fit(correlated())
    DDPM(20, hidden_dim=8, n_iter=1).fit(correlated())


def test_a_run_folder_is_a_path():
    with pytest.raises(SettingError, match=r"^DDPM: checkpoint must be a path, as text or a Path; got 3\."):
        DDPM(20, **SIZES).fit(correlated(), checkpoint=3)


@pytest.mark.parametrize("change", [lambda Z: Z + 1, lambda Z: 5 * Z])
def test_a_run_of_shifted_or_scaled_points_is_another(tmp_path, change):
    small = {**SIZES, "n_iter": 10}
    DDPM(20, **small).fit(correlated(), checkpoint=tmp_path)
    DDPM(20, **small).fit(correlated().tolist(), checkpoint=tmp_path)
    with pytest.raises(SettingError, match=r"^training: the data must be .*; got others: points\. Give"):
        DDPM(20, **small).fit(change(correlated()), checkpoint=tmp_path)


@pytest.mark.parametrize(
    ("given", "other"), [(["a", "b"] * 500, ["c", "d"] * 500), ([[0.0], [1.0]] * 500, [[0.0], [5.0]] * 500)]
)
def test_a_run_under_other_conditions_is_another(tmp_path, given, other):
    small = {**SIZES, "n_iter": 10}
    DDPM(20, **small).fit(correlated(), checkpoint=tmp_path, condition=given)
    DDPM(20, **small).fit(correlated(), checkpoint=tmp_path, condition=np.array(given))
    with pytest.raises(SettingError, match=r"^training: the data must be .*; got others: conditions\. Give"):
        DDPM(20, **small).fit(correlated(), checkpoint=tmp_path, condition=other)


@pytest.mark.parametrize("dtype", ["<U5", object])
def test_equal_labels_in_an_array_of_another_type_are_the_same_run(tmp_path, dtype):
    small, labels = {**SIZES, "n_iter": 10}, np.array(["a", "b"] * 500)
    whole = DDPM(20, **small).fit(correlated(), checkpoint=tmp_path, condition=labels)
    again = DDPM(20, **small).fit(correlated(), checkpoint=tmp_path, condition=labels.astype(dtype))
    assert_close(again.losses_, whole.losses_)


@pytest.mark.parametrize("patience", [None, 1])
def test_patience_stops_early_and_changes_nothing_else(patience):
    small = {**SIZES, "learning_rate": 0.3, "n_iter": 100}
    model = DDPM(20, **small, patience=patience).fit(correlated())
    assert (len(model.losses_) < 20) == (patience is not None)


def test_wrong_width(gaussian):
    with pytest.raises(ShapeError, match=r"3 features.*2 features"):
        gaussian.refine(np.ones((4, 3)))


@pytest.mark.parametrize("ask", ["sample", "refine", "to_arrays", "to_device"])
def test_before_fit(ask):
    arguments = {"sample": [3], "refine": [correlated()], "to_device": ["cpu"]}.get(ask, [])
    with pytest.raises(NotFittedError, match=r"Call DDPM\.fit first"):
        getattr(DDPM(), ask)(*arguments)


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="the error is that of a missing GPU")
def test_a_gpu_that_is_not_there(gaussian):
    with pytest.raises(BackendError, match=r"'gpu', which is not there\. Install JAX .* pass"):
        DDPM(device="gpu").fit(correlated())
    stays = clone_of(gaussian)
    with pytest.raises(BackendError, match="'gpu', which is not there"):
        stays.to_device("gpu")
    assert stays.fit_.settings["device"] == gaussian.fit_.settings["device"]


def test_moving_to_the_cpu_changes_nothing(gaussian):
    assert_close(clone_of(gaussian).to_device("cpu").sample(10), gaussian.sample(10))


def test_an_estimator_can_be_cloned(gaussian):
    assert clone(gaussian).get_params() == gaussian.get_params()
    assert not hasattr(clone(gaussian), "fit_")


def test_the_clean_estimate_of_gaussian_points_shrinks_them_along_each_axis(gaussian):
    X, t = correlated(), 60
    path = schedule.path("cosine", 100, eps=1e-5)
    alpha, sigma = path.alpha[t], path.sigma[t]
    center, spread = X.mean(axis=0), X.std(axis=0)
    covariance = np.cov(((X - center) / spread).T)
    gain = alpha * covariance @ np.linalg.inv(alpha**2 * covariance + sigma**2 * np.eye(2))
    exact = center + spread * (alpha * (X - center) / spread @ gain.T)
    found = gaussian.denoise(X, t)
    assert np.square(found - exact).mean() < 0.02 * np.square(exact - center).mean()
    with pytest.raises(SettingError, match=r"t_start must be in 1\.\.99; got"):
        gaussian.denoise(X, 100)
