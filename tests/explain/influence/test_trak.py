"""Held to differences of the loss, to the dual form of ridge regression, and to exact retraining."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError, NotFittedError, SettingError, ShapeError
from dima.explain.influence.trak import OUTPUTS, gradient_features, trak
from dima.latent.ddpm import DDPM
from dima.latent.denoiser import apply

pytestmark = pytest.mark.slow  # each output and shape is compiled

RANDOM = np.random.default_rng(0)
Z = RANDOM.standard_normal((60, 2)) @ [[2.0, 0.5], [0.0, 1.0]] + 3.0
LAYERS = ["block0", "block1", "block2", "film", "in", "level1", "level2", "out"]
WHOLE = 10_000  # a side wider than every layer: gradients as they are


@pytest.fixture(scope="module")
def prior():
    return DDPM(T=20, n_iter=60, hidden_dim=6, t_embed_dim=4, batch_size=32).fit(Z)


def by_hand(prior, x0, output, noise, levels):
    """The output of one standardised point, a level and a draw at a time."""
    path, total = prior.fit_, []
    lambdas = np.interp(np.arange(levels) + 0.5, np.linspace(0, levels, 20), schedule_levels())
    for level, own in zip(lambdas, noise.reshape(levels, -1, 2), strict=True):
        alpha, sigma = np.sqrt(1 / (1 + np.exp(-2 * level))), np.sqrt(1 / (1 + np.exp(2 * level)))
        for one in own:
            state = jnp.asarray((alpha * x0 + sigma * one)[None], jnp.float32)
            answer = apply(path.network, state, jnp.asarray([level], jnp.float32))[0]
            wanted = {"v": alpha * one - sigma * x0, "x0": x0}[path.settings["target"]]
            missed = answer - wanted if output == "loss" else answer
            weight = {"uniform": 1.0, "min_snr": min(5.0, (alpha / sigma) ** 2)}[path.settings["weight"]]
            total.append(weight * jnp.mean(missed**2))
    return sum(total) / len(total)


def schedule_levels():
    """The cosine schedule of 20 steps by its definition."""
    signal = np.cos((np.arange(21) / 20 + 0.008) / 1.008 * np.pi / 2) ** 2
    betas = np.minimum(1 - signal[1:] / signal[:-1], 0.999)
    share = 1e-5 + (1 - 1e-5) * np.cumprod(1 - betas)
    return np.log(np.sqrt(share / (1 - share)))


@pytest.mark.parametrize(
    ("output", "changed"),
    [("loss", {}), ("norm", {}), ("loss", {"target": "x0", "weight": "min_snr"})],
    ids=[*OUTPUTS, "weighted loss of another target"],
)
def test_features_are_slopes_of_the_output(prior, output, changed):
    """Along a random direction of the parameters, by central differences of an output written anew."""
    levels, draws, seed, step = 3, 2, 5, 4e-3
    noise = np.asarray(jax.random.normal(jax.random.fold_in(jax.random.key(seed), 0), (6, 2)))
    asked = DDPM()
    asked.fit_ = dataclasses.replace(prior.fit_, settings=prior.fit_.settings | changed)
    asked.n_features_in_ = 2
    found = gradient_features(asked, Z[:4], output, levels, draws, side=WHOLE, seed=seed)
    network = prior.fit_.network
    random = np.random.default_rng(1)
    direction = {name: random.standard_normal(value.shape) for name, value in network.items()}
    along = [
        np.concatenate([direction[f"{name}/w"], direction[f"{name}/b"][None]]).ravel() for name in LAYERS
    ]
    slopes = found @ np.concatenate(along)
    standard = prior.fit_.scale.apply(Z[:4])
    wanted = []
    for x0 in standard:
        ends = []
        for sign in (1, -1):
            moved = {name: value + sign * step * direction[name] for name, value in network.items()}
            shifted = DDPM()
            shifted.fit_ = dataclasses.replace(asked.fit_, network=moved)
            ends.append(float(by_hand(shifted, x0, output, noise, levels)))
        wanted.append((ends[0] - ends[1]) / (2 * step))
    assert_close(slopes, wanted, atol=0.02 * np.abs(wanted).max())


def test_projection_keeps_inner_products_on_average(prior):
    # The noise hangs on the seed too, so each seed is held to its own gradients.
    ratios, likeness = [], []
    for seed in range(24):
        whole = gradient_features(prior, Z[:10], side=WHOLE, levels=2, seed=seed)
        found = gradient_features(prior, Z[:10], side=5, levels=2, seed=seed)
        assert found.shape[1] < whole.shape[1]
        ratios.append((found**2).sum() / (whole**2).sum())
        likeness.append(np.corrcoef((found @ found.T).ravel(), (whole @ whole.T).ravel())[0, 1])
    assert_close(np.mean(ratios), 1.0, atol=4 * np.std(ratios) / np.sqrt(24))
    assert np.std(ratios) < 1.0
    assert np.mean(likeness) > 0.9


def test_a_point_has_its_features_whatever_its_neighbours(prior, monkeypatch):
    together = gradient_features(prior, Z, levels=2)
    monkeypatch.setattr("dima.explain.influence.trak.rows_within", lambda _: 7)
    assert_close(gradient_features(prior, Z, levels=2), together, atol=1e-6)


@pytest.mark.parametrize("width", [7, 30])
@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e9])
def test_scores_are_those_of_the_dual_form(unit, width):
    """Phi_q Phi' (Phi Phi' + lambda 1)^-1, an n x n system instead of a p x p one."""
    random = np.random.default_rng(2)
    queries, training = random.standard_normal((3, width)), random.standard_normal((20, width))
    K = training @ training.T
    lam = 0.1 * np.trace(K) / min(width, 20)
    wanted = queries @ training.T @ np.linalg.inv(K + lam * np.eye(20))
    assert_close(trak(queries * unit, training * unit, ridge=0.1), wanted, atol=1e-11)


def test_blocks_and_memory_maps_change_nothing(tmp_path, monkeypatch):
    random = np.random.default_rng(4)
    queries, training = random.standard_normal((3, 7)), random.standard_normal((20, 7))
    whole = trak(queries, training)
    np.save(tmp_path / "features.npy", training)
    monkeypatch.setattr("dima.explain.influence.trak.rows_within", lambda _: 6)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    assert_close(trak(queries, mapped), whole, atol=1e-13)


def test_loss_gradients_predict_least_squares_without_an_example():
    """Of a linear model the scores rank the examples as refits do: a helpful one has a positive score."""
    random = np.random.default_rng(3)
    A, truth = random.standard_normal((80, 4)), random.standard_normal(4)
    y = A @ truth + 0.5 * random.standard_normal(80)
    a = random.standard_normal((15, 4))
    target = a @ truth + 0.5 * random.standard_normal(15)

    def fitted(rows):
        return np.linalg.lstsq(A[rows], y[rows], rcond=None)[0]

    full = fitted(np.ones(80, bool))
    real = np.array([(target - a @ fitted(np.arange(80) != i)) ** 2 for i in range(80)]).T
    real -= ((target - a @ full) ** 2)[:, None]
    scores = trak(a * (a @ full - target)[:, None], A * (A @ full - y)[:, None], ridge=1e-6)
    assert np.mean([np.corrcoef(s, r)[0, 1] for s, r in zip(scores, real, strict=True)]) > 0.85


def test_refusals(prior):
    with pytest.raises(NotFittedError):
        gradient_features(DDPM(), Z)
    with pytest.raises(ShapeError):
        gradient_features(prior, Z[:, :1])
    with pytest.raises(SettingError, match="output must be one of loss, norm"):
        gradient_features(prior, Z, output="logit")
    for name in ("levels", "draws", "side"):
        with pytest.raises(SettingError, match=f"{name} must be at least 1"):
            gradient_features(prior, Z, **{name: 0})
    with pytest.raises(ShapeError, match="training must have shape"):
        trak([[1.0]], [[1.0, 2.0]])
    with pytest.raises(DataError, match="more than zeros"):
        trak([[1.0]], [[0.0]])
    with pytest.raises(SettingError, match="ridge must be positive"):
        trak([[1.0]], [[1.0]], ridge=0.0)
