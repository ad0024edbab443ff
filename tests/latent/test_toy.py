"""The four classes against closed forms, NumPy's own Adam and the tables of `dima.noise`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dima
from close import assert_close
from dima.errors import DataError, NumericsError, SettingError, ShapeError
from dima.latent import toy
from dima.noise import solver
from dima.noise.schedule import path

MODEL = toy.DiffusionModel(2, 16, 2, key=0)
SHORT = toy.DiffusionProcess(40, 2e-3, 0.3)
LONG = toy.DiffusionProcess(1000)


class Known:
    """A model that answers by a formula of (x, t); it needs no parameters."""

    input_dim = output_dim = 2

    def __init__(self, answer):
        self.answer = answer

    def forward(self, params, x, t):
        return self.answer(x, t)

    def init_params(self):
        return {"unused": jnp.zeros(1)}


@pytest.fixture
def points(rng):
    return rng.standard_normal((64, 2))


def test_the_door_offers_the_page():
    assert dima.toy is toy


def test_noising_is_the_closed_form(rng):
    left = np.cumprod(1 - np.linspace(2e-3, 0.3, 40))
    x0, noise = rng.standard_normal((2, 40, 2))
    t = np.arange(40)
    expected = np.sqrt(left)[:, None] * x0 + np.sqrt(1 - left)[:, None] * noise
    assert_close(SHORT.q_sample(x0, t, noise), expected, atol=1e-6)
    assert_close(
        SHORT.q_sample(x0, 7, noise)[3], left[7] ** 0.5 * x0[3] + (1 - left[7]) ** 0.5 * noise[3], atol=1e-6
    )


def test_a_thousand_steps_are_the_linear_schedule():
    levels = path("linear", 1000, eps=0.0)
    assert_close(LONG.betas, np.linspace(1e-4, 0.02, 1000), rtol=1e-6)
    assert_close(LONG.alphas, 1 - np.linspace(1e-4, 0.02, 1000), rtol=1e-6)
    assert_close(LONG.alphas_cumprod, levels.alpha[1:] ** 2, rtol=1e-5)
    assert_close(LONG.sigma, levels.sigma[1:], rtol=1e-5)


def test_the_network_has_three_hidden_layers_and_sees_the_time():
    params = MODEL.init_params()
    assert [params[f"w{i}"].shape[1] for i in range(4)] == [16, 16, 16, 2]
    x = jnp.ones((3, 2))
    by_time = MODEL.forward(params, x, jnp.array([0, 5, 900]))
    assert len(np.unique(np.asarray(by_time)[:, 0])) == 3
    assert_close(MODEL.forward(params, x, 5)[1], by_time[1], atol=1e-5)
    assert_close(MODEL.init_params()["w0"], params["w0"])


def test_a_model_that_answers_the_noise_has_no_loss(points):
    # From x_t alone, with all clean points at zero: x_t = sigma_t noise.
    trainer = toy.Trainer(Known(lambda x, t: x / SHORT.sigma[t][:, None]), SHORT, points, key=0)
    t, noise = jnp.arange(40), jax.random.normal(jax.random.key(1), (40, 2))
    assert float(trainer.loss_fn({}, jnp.zeros((40, 2)), t, noise)) < 1e-10
    silent = toy.Trainer(Known(lambda x, t: 0 * x), SHORT, points, key=0)
    assert float(silent.loss_fn({}, jnp.ones((40, 2)), t, noise)) == pytest.approx(
        float((noise**2).mean()), rel=1e-6
    )


def _numpy_adam(params, gradients, rates):
    m = v = np.zeros_like(params)
    for i, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        params = params - rate * (m / (1 - 0.9**i)) / (np.sqrt(v / (1 - 0.999**i)) + 1e-8)
    return params


@pytest.mark.parametrize(("num_steps", "shares"), [(np.inf, (1.0, 1.0)), (2, (1.0, 0.5))])
def test_two_updates_are_adams(points, rng, num_steps, shares):
    trainer = toy.Trainer(MODEL, SHORT, points, key=0, learning_rate=0.01)
    state = start = trainer.init_optimizer(num_steps)
    gradients = [{name: rng.standard_normal(w.shape) for name, w in start.params.items()} for _ in range(2)]
    for gradient in gradients:
        state = trainer.update_optimizer(state, gradient)
    for name in ("w0", "u1", "b3"):
        rates = [0.01 * share for share in shares]
        expected = _numpy_adam(np.asarray(start.params[name]), [g[name] for g in gradients], rates)
        assert_close(state.params[name], expected, atol=1e-6)
    assert int(state.step) == 2


def test_a_training_step_goes_down_the_gradient_of_its_own_draws(points):
    trainer = toy.Trainer(MODEL, SHORT, points, key=3)
    drawn = []
    trainer.loss_fn = lambda params, x0, t, noise: drawn.append((t, noise)) or jnp.sum(params["w0"] ** 2)
    before = trainer.init_optimizer()
    after, loss = trainer.train_step(before, jnp.asarray(points))
    assert float(loss) == pytest.approx(float((before.params["w0"] ** 2).sum()), rel=1e-6)
    assert_close(after.params["w0"], before.params["w0"] - 1e-3 * jnp.sign(before.params["w0"]), atol=1e-5)
    trainer.train_step(after, jnp.asarray(points))
    (t, noise), (other_t, other_noise) = drawn
    assert int(t.min()) == 0
    assert int(t.max()) in (38, 39)
    assert not np.array_equal(noise, other_noise)
    assert other_t.shape == (64,)


def test_an_epoch_is_one_shuffled_pass(points):
    trainer = toy.Trainer(MODEL, SHORT, points, key=5, batch_size=16)
    seen = []
    step = trainer.train_step

    def told(state, batch):
        jax.debug.callback(lambda rows: seen.append(np.asarray(rows)), batch)
        return step(state, batch)

    trainer.train_step = told
    for _ in trainer.epochs(2):
        jax.effects_barrier()
    first, second = np.concatenate(seen[:4]), np.concatenate(seen[4:])
    for rows in (first, second):
        assert_close(np.sort(rows, axis=0), np.sort(np.float32(points), axis=0))
    assert not np.array_equal(first, second)


def test_train_says_what_its_generator_yields(points):
    trainer = toy.Trainer(MODEL, SHORT, points, key=5, batch_size=1000)
    assert trainer.batch_size == 64
    told = []
    params = trainer.train(3, tell=told.append)
    yielded = list(trainer.epochs(3))
    assert told == [f"epoch {r.step:5d}   mean loss {r.loss:.4f}" for _, r in yielded]
    assert [r.step for _, r in yielded] == [1, 2, 3]
    for name, value in yielded[-1][0].params.items():
        assert_close(params[name], value)


def test_train_prints_unless_told_otherwise(points, capsys):
    toy.Trainer(MODEL, SHORT, points, key=5).train(1)
    assert "mean loss" in capsys.readouterr().out


def test_equal_keys_give_equal_numbers(points):
    keys = (5, jax.random.key(5), 6)
    trained = [toy.Trainer(MODEL, SHORT, points, key).train(1, tell=str)["w1"] for key in keys]
    assert_close(trained[0], trained[1])
    assert not np.array_equal(trained[0], trained[2])
    model = Known(lambda x, t: x)
    drawn = [toy.Sampler(model, SHORT, key).sample({}, 4) for key in keys]
    assert_close(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_a_standard_normal_stays_one():
    # Where data are standard normal so is every x_t, and the mean of the noise in x is sigma x.
    states = toy.Sampler(Known(lambda x, t: LONG.sigma[t] * x), LONG, key=0).sample({}, 4000, keep=True)
    assert states.shape == (1001, 4000, 2)
    states = np.asarray(states)
    assert_close(states[[0, 500, -1]].mean(axis=1), np.zeros((3, 2)), atol=0.06)
    assert_close(states[[0, 500, -1]].std(axis=1), np.ones((3, 2)), atol=0.04)


def test_a_step_back_is_that_of_the_solver_table():
    # Clean points are all at c, so that D = c; the table needs no network, the sampler gets the noise.
    c = np.array([0.5, -1.0])
    model = Known(lambda x, t: (x - SHORT.signal[t] * c) / SHORT.sigma[t])
    states = np.asarray(toy.Sampler(model, SHORT, key=0).sample({}, 5000, keep=True))
    levels = np.cumprod(1 - np.linspace(2e-3, 0.3, 40))
    levels = np.concatenate([[1.0], levels])[::-1]
    table = solver.build("ddpm", np.sqrt(levels), np.sqrt(1 - levels))
    for i in (0, 20, 38):
        _, by_state, by_clean = table.M[i, 1]
        mean = by_state * states[i] + by_clean * c
        assert_close((states[i + 1] - mean).std(), table.C[i], rtol=0.03)
    assert_close(states[-1], np.broadcast_to(c, (5000, 2)), atol=1e-4)


def test_training_learns_a_gaussian(rng):
    data = rng.standard_normal((1500, 2)) @ np.array([[1.0, 0.4], [0.0, 0.6]]) + [0.3, -0.2]
    model = toy.DiffusionModel(2, 48, 2, key=0)
    trained = list(toy.Trainer(model, SHORT, data, key=1, learning_rate=5e-3).epochs(40))
    losses = [record.loss for _, record in trained]
    assert losses[-1] < 0.8 * losses[0]
    samples = np.asarray(toy.Sampler(model, SHORT, key=2).sample(trained[-1][0].params, 4000))
    assert_close(samples.mean(axis=0), data.mean(axis=0), atol=0.1)
    assert_close(np.cov(samples.T), np.cov(data.T), atol=0.15)


def _process(**given_settings):
    return lambda: toy.DiffusionProcess(**{"T": 10} | given_settings)


def _trainer(data, model=MODEL, **given_settings):
    return lambda: toy.Trainer(model, SHORT, data, key=0, **given_settings)


ONE = np.ones((1, 2))
TWO = np.eye(2)


@pytest.mark.parametrize(
    ("act", "error", "told"),
    [
        (_process(T=0), SettingError, r"T must be a whole number >= 1 and <= 1e\+06; got 0"),
        (_process(T=10**12), SettingError, r"T must be a whole number >= 1 and <= 1e\+06; got 1000000000000"),
        (_process(beta_start=-0.1), SettingError, "beta_start must be a finite number > 0 and < 1; got -0.1"),
        (_process(beta_end=1.0), SettingError, "beta_end must be a finite number > 0 and < 1; got 1.0"),
        (_process(beta_start=0.1), SettingError, "beta_start must be at most beta_end; got 0.1 and 0.02"),
        (
            lambda: toy.DiffusionModel(2, 0, 2, 0),
            SettingError,
            "hidden_dim must be a whole number >= 1; got 0",
        ),
        (_trainer(np.eye(3)), ShapeError, r"data must have shape \(n, 2\); got shape \(3, 3\)"),
        (_trainer(ONE), DataError, "data must have at least 2 rows; got 1"),
        (
            _trainer([[1.0, np.nan], [0.0, 1.0]]),
            DataError,
            "data must be finite; got NaN or inf in 1 of 2 rows",
        ),
        (_trainer(TWO, batch_size=0), SettingError, "batch_size must be a whole number >= 1; got 0"),
        (_trainer(TWO, learning_rate=0), SettingError, "learning_rate must be a finite number > 0; got 0"),
        (
            _trainer(TWO, toy.DiffusionModel(2, 4, 3, 0)),
            SettingError,
            "output_dim must be input_dim = 2.*; got 3",
        ),
        (lambda: _trainer(TWO)().train(0), SettingError, "num_epochs must be a whole number >= 1; got 0"),
        (lambda: SHORT.q_sample(ONE, 40, ONE), SettingError, r"t must be in 0\.\.39; got 40 to 40"),
        (
            lambda: SHORT.q_sample(ONE, np.array([-1]), ONE),
            SettingError,
            r"t must be in 0\.\.39; got -1 to -1",
        ),
        (lambda: SHORT.q_sample(ONE, 1.5, ONE), SettingError, "t must be whole numbers; got dtype float32"),
        (lambda: SHORT.q_sample(ONE, 1, TWO), ShapeError, "noise must have the shape of x0"),
        (lambda: SHORT.q_sample(TWO, np.arange(3), TWO), ShapeError, "t must be one step or 2"),
        (
            lambda: toy.Sampler(MODEL, SHORT, 0).sample({}, 0),
            SettingError,
            "num_samples must be a whole number >= 1",
        ),
        (
            lambda: _trainer(TWO, learning_rate=1e30)().train(3, tell=str),
            NumericsError,
            "the loss must be finite; got (nan|inf) in epoch",
        ),
    ],
)
def test_bad_input_is_one_sentence(act, error, told):
    with pytest.raises(error, match=told) as caught:
        act()
    assert "\n" not in str(caught.value)
