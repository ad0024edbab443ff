"""One evaluation against what it is distilled from, and against maps known in closed form."""

import os
import signal

import numpy as np
import pytest

from close import assert_close
from dima.errors import NotFittedError, SettingError, ShapeError
from dima.latent import direct_fit
from dima.latent.ddpm import DDPM
from dima.latent.direct import DirectPrior

# One set of sizes for every trained model: one compilation.
SIZES = {"hidden_dim": 32, "t_embed_dim": 16, "learning_rate": 3e-3}
QUICK = {"n_pairs": 2000, "n_iter": 400, "batch_size": 128, "learning_rate": 3e-3, "ema_decay": 0.99}
SCALE, CENTER = np.array([2.0, 0.5]), np.array([3.0, -1.0])


def independent():
    """Points whose standardised columns an untrained v network takes for what they are: unit Gaussians."""
    return np.random.default_rng(0).standard_normal((1000, 2)) * SCALE + CENTER


def three_heaps(n=2000):
    random = np.random.default_rng(1)
    means = np.array([[-2.0, 0.0], [2.0, 1.0], [0.0, -2.0]])
    return means[random.integers(3, size=n)] + 0.3 * random.standard_normal((n, 2))


def noise_of(n, seed=5):
    return np.random.default_rng(seed).standard_normal((n, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def exact():
    return DDPM(100, n_iter=0, **SIZES).fit(independent())


@pytest.fixture(scope="module")
def heaps():
    return DDPM(100, n_iter=1500, **SIZES).fit(three_heaps())


@pytest.fixture(scope="module")
def of_exact(exact):
    return DirectPrior(**QUICK).fit(exact)


@pytest.fixture(scope="module")
def of_heaps(heaps):
    return DirectPrior(**QUICK | {"n_iter": 1000}).fit(heaps)


def test_the_flow_of_a_gaussian_is_the_linear_map_that_keeps_its_quantiles(exact, of_exact):
    # The probability flow carries N(0, 1) of noise to N(mean, spread): x = mean + spread * noise.
    noise = noise_of(2000)
    wanted = independent().mean(axis=0) + independent().std(axis=0) * noise
    inside = np.abs(noise).max(axis=1) < 2.5
    error = np.abs(of_exact.map(noise) - wanted) / SCALE
    assert error[inside].max() < 0.1
    assert of_exact.r2_ > 0.998
    # The teacher alone, in one step, answers the mean.
    assert np.abs(exact.sample(200, "ddim", steps=1) - CENTER).max() < 0.2


@pytest.mark.parametrize("target", ["v", "flow"])
def test_before_training_it_is_the_teacher_in_one_step_to_the_bit(target):
    teacher = DDPM(50, n_iter=30, target=target, **SIZES).fit(three_heaps())
    untrained = DirectPrior(n_iter=0, n_pairs=10).fit(teacher)
    assert_close(untrained.sample(50, seed=3), teacher.sample(50, "ddim", steps=1, seed=3))


def test_equal_seeds_start_from_the_teachers_noise(heaps, of_heaps):
    taught = heaps.sample(2000, "dpmpp_2m", steps=20, seed=4)
    assert direct_fit.explained(of_heaps.sample(2000, seed=4), taught) > 0.85
    assert direct_fit.explained(of_heaps.sample(2000, seed=5), taught) < 0
    assert_close(of_heaps.sample(5, seed=4), of_heaps.sample(2000, seed=4)[:5], atol=1e-5)
    assert not np.isclose(of_heaps.sample(5, seed=4), of_heaps.sample(5, seed=5)).any()
    assert of_heaps.sample(0).shape == of_heaps.sample(0, steps=2).shape == (0, 2)


def test_r2_is_that_of_new_noise(heaps, of_heaps):
    taught = heaps.sample(4000, "dpmpp_2m", steps=20, seed=9)
    assert_close(direct_fit.explained(of_heaps.sample(4000, seed=9), taught), of_heaps.r2_, atol=0.03)


@pytest.mark.parametrize(
    "refused", [{"solver": "ddpm"}, {"solver": "ddim", "eta": 0.5}, {"solver": "churned"}]
)
def test_fresh_noise_on_the_way_is_refused(heaps, refused):
    with pytest.raises(SettingError, match=r"solver must be one without fresh noise.*Nothing can be learnt"):
        DirectPrior(**refused).fit(heaps)


def test_of_ancestral_pairs_nothing_can_be_learnt(heaps, of_heaps):
    forced = DirectPrior("ddpm", 100, force=True, **QUICK).fit(heaps)
    assert of_heaps.r2_ > 0.85
    assert forced.r2_ < 0.02
    # What is learnt is the mean, wherever it starts.
    assert forced.sample(500).std() < 0.3 * of_heaps.sample(500).std()


def test_two_steps_put_the_same_noise_back(heaps, of_heaps):
    # By hand, in standardised units: x = alpha D + sigma z, then the teacher's estimate at that level.
    prior = DirectPrior(**QUICK | {"n_iter": 0, "middle": 40}).fit(heaps)
    scale, path = heaps.fit_.scale, direct_fit.path_of(heaps.fit_.settings)
    noise = direct_fit.sample.standard_normal(direct_fit.sample.sample_keys(7, 0, 30), 0, 2)
    state = path.alpha[40] * scale.apply(prior.sample(30, seed=7)) + path.sigma[40] * np.asarray(noise)
    # `denoise` takes points for clean ones scaled by alpha.
    wanted = heaps.denoise(scale.restore(state / path.alpha[40]), 40)
    assert_close(prior.sample(30, steps=2, seed=7), wanted, atol=1e-4)
    assert 1 <= of_heaps.middle_ < 100


def test_a_second_step_mends_a_first_one_that_is_poor(heaps):
    poor = DirectPrior(**QUICK | {"n_iter": 60}).fit(heaps)
    taught = heaps.sample(2000, "dpmpp_2m", steps=20, seed=4)
    one, two = (direct_fit.explained(poor.sample(2000, steps=steps, seed=4), taught) for steps in (1, 2))
    assert two > one


def test_map_is_what_sample_does_to_its_noise(of_heaps):
    noise = direct_fit.sample.standard_normal(direct_fit.sample.sample_keys(3, 0, 20), 0, 2)
    assert_close(of_heaps.map(np.asarray(noise)), of_heaps.sample(20, seed=3), atol=1e-5)
    with pytest.raises(ShapeError, match=r"noise must have shape \(b, 2\)"):
        of_heaps.map(np.ones((3, 3)))


def test_a_second_fit_is_equal_and_another_seed_is_not(exact):
    few = {**QUICK, "n_iter": 50}
    one, two, other = (DirectPrior(**few, seed=seed).fit(exact) for seed in (0, 0, 1))
    assert_close(one.sample(9), two.sample(9))
    assert one.r2_ == two.r2_
    assert not np.isclose(one.sample(9), other.sample(9)).all()


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path, exact, monkeypatch):
    few = {**QUICK, "n_iter": 100}
    whole, steps = DirectPrior(**few).fit(exact), direct_fit.Engine.steps

    def stopped(self, state):
        for count, pair in enumerate(steps(self, state), start=1):
            if count == 7:
                os.kill(os.getpid(), signal.SIGTERM)
            yield pair

    with monkeypatch.context() as patch:
        patch.setattr(direct_fit.Engine, "steps", stopped)
        with pytest.raises(SystemExit):
            DirectPrior(**few).fit(exact, checkpoint=tmp_path)
    resumed = DirectPrior(**few, verbose_every=10).fit(exact, checkpoint=tmp_path)
    assert_close(resumed.losses_, whole.losses_)
    for name, values in whole.parameters_.items():
        assert_close(resumed.parameters_[name], values)
    other = DDPM(100, n_iter=0, seed=1, **SIZES).fit(independent())
    told = r"^training: the settings must be those of the run in .*; got others: teacher\. Give"
    with pytest.raises(SettingError, match=told):
        DirectPrior(**few).fit(other, checkpoint=tmp_path)


def test_it_is_watched_as_it_grows_and_stops_with_patience(exact):
    seen = []
    DirectPrior(**QUICK | {"n_iter": 40}).fit(
        exact, watch=lambda so_far, at: seen.append((at, so_far.sample(1)))
    )
    assert [at for at, _ in seen] == list(range(1, 21))
    assert not np.isclose(seen[0][1], seen[-1][1]).any()
    wild = {**QUICK, "n_iter": 200, "learning_rate": 1.0, "patience": 1}
    assert len(DirectPrior(**wild).fit(exact).losses_) < 20


def test_arrays_make_an_equal_prior(of_heaps):
    again = DirectPrior.from_arrays(*of_heaps.to_arrays())
    assert again.get_params() == of_heaps.get_params()
    assert again.facts() == of_heaps.facts()
    assert (
        again.facts()["prior_distilled_from"] == "dpmpp_2m, 20 steps"
    )  # as many as are walked if none are given
    for steps in (1, 2):
        assert_close(again.sample(10, steps=steps), of_heaps.sample(10, steps=steps))
    assert_close(again.teacher_.sample(10), of_heaps.teacher_.sample(10))


def test_what_is_not_drawn_is_the_teachers(heaps, of_heaps):
    X = three_heaps(50)
    assert_close(of_heaps.refine(X, t_start=5), heaps.refine(X, t_start=5))
    assert_close(of_heaps.denoise(X, 7), heaps.denoise(X, 7))
    assert_close(of_heaps.score_samples(X), heaps.score_samples(X))
    assert of_heaps.score(X) == heaps.score(X)


def test_a_constant_column_stays_constant():
    Z = independent()
    Z[:, 1] = 7.5
    prior = DirectPrior(**QUICK | {"n_iter": 30}).fit(DDPM(20, n_iter=30, **SIZES).fit(Z))
    assert set(prior.sample(10)[:, 1]) == set(prior.sample(10, steps=2)[:, 1]) == {np.float32(7.5)}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"n_pairs": 0}, "n_pairs must be"),
        ({"steps": 101}, r"steps must be in 1\.\.T = 100"),
        ({"middle": 100}, "middle must be below T = 100"),
        ({"solver": "euler"}, "solver must be one of"),
    ],
    ids=str,
)
def test_wrong_settings(exact, wrong, told):
    with pytest.raises(SettingError, match=told):
        DirectPrior(**wrong).fit(exact)


def test_wrong_teachers():
    with pytest.raises(SettingError, match="teacher must be a fitted DDPM; got ndarray"):
        DirectPrior().fit(independent())
    conditional = DDPM(20, n_iter=0, **SIZES).fit(independent(), condition=independent()[:, 0] > 0)
    with pytest.raises(SettingError, match="teacher must be one without condition; got one with a"):
        DirectPrior().fit(conditional)
    with pytest.raises(NotFittedError, match=r"Call DDPM\.fit first"):
        DirectPrior().fit(DDPM())
    with pytest.raises(SettingError, match="target must be another than eps"):
        DirectPrior().fit(DDPM(20, n_iter=0, target="eps", **SIZES).fit(independent()))
    with pytest.raises(SettingError, match="T must be at least 2; got 1"):
        DirectPrior(steps=1).fit(DDPM(1, n_iter=0, **SIZES).fit(independent()))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"steps": 3}, "steps must be"),
        ({"solver": "ddim"}, "got 'solver'"),
        ({"guidance": 2.0}, "guidance must be 1; got 2"),
        ({"seed": -1}, "seed must be"),
    ],
    ids=str,
)
def test_wrong_questions(of_exact, wrong, told):
    with pytest.raises(SettingError, match=told):
        of_exact.sample(3, **wrong)
    with pytest.raises(NotFittedError):
        DirectPrior().sample(3)
