"""Held to the conjugate formula, to scikit-learn and to integrals on a grid."""

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from sklearn.linear_model import BayesianRidge

from close import assert_close
from dima.errors import DataError, NotFittedError, SettingError, ShapeError
from dima.explain.last_layer import BayesianLastLayer

DRAWS = torch.Generator().manual_seed(0)
N, D = 200, 4
X = (
    torch.randn(N, D, generator=DRAWS, dtype=torch.float64) @ torch.randn(D, D, generator=DRAWS).double()
    + 3.0
)
Y = X @ torch.randn(D, 2, generator=DRAWS).double() + 0.5 * torch.randn(N, 2, generator=DRAWS).double()
LABELS = (Y[:, 0] > Y[:, 0].quantile(0.3)).long() * 2 + (Y[:, 0] > Y[:, 0].quantile(0.7)).long() * 2 + 1
DESIGN = torch.cat([(X - X.mean(dim=0)) / X.std(dim=0, correction=0), torch.ones(N, 1)], dim=1)


@pytest.fixture(scope="module")
def layer():
    return BayesianLastLayer().fit(X, LABELS)


@pytest.mark.parametrize("covariance", ["full", "mean-field"])
def test_targets_against_the_conjugate_formula(covariance):
    found = BayesianLastLayer("gaussian", covariance, prior_variance=0.7, noise_variance=0.25).fit(X, Y)
    precision = DESIGN.T @ DESIGN / 0.25 + torch.eye(D + 1) / 0.7
    mean = torch.linalg.solve(precision, DESIGN.T @ Y / 0.25)
    spread = torch.linalg.inv(precision) if covariance == "full" else torch.diag(1 / precision.diag())
    assert_close(found.fit_.posterior.mean, mean, atol=1e-6)
    assert_close(found.fit_.posterior.covariance, torch.stack([spread, spread]), atol=1e-9)
    assert_close(found.logits(X), DESIGN @ mean, atol=1e-6)


def test_targets_against_scikit_learn():
    y = Y[:, 0] - Y[:, 0].mean()
    rival = BayesianRidge(fit_intercept=False).fit(DESIGN.numpy(), y.numpy())
    found = BayesianLastLayer(
        "gaussian", prior_variance=1 / rival.lambda_, noise_variance=1 / rival.alpha_
    ).fit(X, y)
    mean, deviation = rival.predict(DESIGN.numpy(), return_std=True)
    assert_close(found.logits(X)[:, 0], mean, atol=1e-6)
    assert_close(found.entropy(X), 0.5 * np.log(2 * np.pi * np.e * deviation**2), atol=1e-6)
    assert_close(found.epistemic(X), 0.5 * np.log(deviation**2 * rival.alpha_), atol=1e-6)


def test_two_labels_against_an_integral_on_a_grid():
    # Two classes are one contrast v with logits +-v/sqrt(2): P(1) is the logistic of sqrt(2) v.
    x = torch.tensor([[-1.5], [-0.5], [0.2], [0.4], [0.9], [1.7], [-0.2], [0.1]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 1, 0])
    asked = torch.tensor([[-4.0], [-1.0], [0.0], [0.5], [2.0]], dtype=torch.float64)
    grid = np.linspace(-9, 9, 301)
    weights = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    center, unit = x.mean().item(), x.std(correction=0).item()

    def chance(rows):
        z = (rows.numpy()[:, 0] - center) / unit
        return 1 / (1 + np.exp(-np.sqrt(2) * (weights[:, :1] * z + weights[:, 1:])))

    p, known = chance(x), labels.numpy()
    logs = np.log(np.where(known, p, 1 - p)).sum(axis=1) - 0.5 * (weights**2).sum(axis=1) / 2.0
    posterior = np.exp(logs - logs.max())
    exact = posterior @ chance(asked) / posterior.sum()
    found = BayesianLastLayer(prior_variance=2.0).fit(x, labels).predict_proba(asked)
    assert_close(found[:, 1], exact, atol=0.025)


@pytest.mark.parametrize("covariance", ["full", "mean-field"])
def test_the_bound_stands_still(covariance):
    # By autograd on the bound with many draws of its own, at the posterior found, in posterior deviations.
    found = BayesianLastLayer(covariance=covariance).fit(X, LABELS).fit_
    mean = found.posterior.mean.clone().requires_grad_()
    places = (LABELS - 1) // 2
    variance = found.posterior.outputs(DESIGN)[1]
    noise = torch.randn(400, N, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    logits = (DESIGN @ mean + variance.sqrt() * noise) @ found.told.basis.T
    logs = logits.log_softmax(dim=2).mean(dim=0)[torch.arange(N), places].sum()
    (slope,) = torch.autograd.grad(logs - 0.5 * mean.square().sum(), mean)
    gain = torch.einsum("pk,kpq,qk->k", slope, found.posterior.covariance, slope)
    assert gain.max() < 0.02


def test_precision_is_the_prior_and_the_expected_curvature(layer):
    found = layer.fit_
    mean, variance = found.posterior.outputs(DESIGN)
    noise = torch.randn(4000, 1, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    along = ((mean + variance.sqrt() * noise) @ found.told.basis.T).softmax(dim=2)
    first = found.told.basis[:, 0]
    curvature = (along @ first**2 - (along @ first) ** 2).mean(dim=0)
    expected = torch.linalg.inv(torch.eye(D + 1) + DESIGN.T @ (curvature[:, None] * DESIGN))
    assert_close(found.posterior.covariance[0], expected, atol=0.05 * float(expected.abs().max()))


def test_labels_keep_their_order_and_logits_sum_to_zero(layer):
    p = layer.predict_proba(X)
    assert layer.fit_.told.classes.tolist() == [1, 3, 5]
    assert_close(p.sum(dim=1), torch.ones(N), atol=1e-12)
    assert (p.argmax(dim=1) * 2 + 1 == LABELS).double().mean() > 0.9
    assert_close(layer.logits(X).sum(dim=1), torch.zeros(N), atol=1e-9)


def test_doubt_is_bounded_and_grows_away_from_the_data(layer):
    entropy, epistemic = layer.entropy(X), layer.epistemic(X)
    assert (epistemic >= 0).all()
    assert (epistemic <= entropy).all()
    assert (entropy <= np.log(3)).all()
    few = BayesianLastLayer().fit(X[:30], LABELS[:30])
    assert few.epistemic(X).mean() > 2 * epistemic.mean()


def test_entropy_is_differentiable_in_the_features(layer):
    some = X[:3].clone().requires_grad_()
    assert torch.autograd.gradcheck(layer.entropy, (some,), fast_mode=True)
    assert torch.autograd.gradcheck(layer.epistemic, (some,), fast_mode=True)
    far = (1e6 * X[:3]).requires_grad_()
    layer.entropy(far).sum().backward()
    assert torch.isfinite(far.grad).all()


def test_units_of_the_features_do_not_matter(layer):
    scaled = BayesianLastLayer().fit(1000 * X - 7, LABELS)
    assert_close(scaled.predict_proba(1000 * X - 7), layer.predict_proba(X), atol=1e-6)


def test_a_row_depends_on_itself_and_type_is_kept(layer, monkeypatch):
    whole = layer.entropy(X)
    monkeypatch.setattr("dima.explain.last_layer.rows_within", lambda _: 7)
    assert_close(layer.entropy(X), whole, atol=1e-12)
    assert_close(layer.entropy(X[5:6]), whole[5:6], atol=1e-12)
    assert layer.entropy(X.float()).dtype == torch.float32


def test_the_seed_decides_the_draws(layer):
    again, other = BayesianLastLayer().fit(X, LABELS), BayesianLastLayer(seed=1).fit(X, LABELS)
    assert_close(again.entropy(X), layer.entropy(X))
    assert not torch.equal(other.entropy(X), layer.entropy(X))


def test_the_gaussian_kernel_is_a_gaussian_process():
    # scikit-learn's, exact; ours by 256 random features.
    x = torch.linspace(-2, 2, 80, dtype=torch.float64)[:, None]
    y = (3 * x[:, 0]).sin()
    own = (x - x.mean()) / x.std(correction=0)
    rival = GaussianProcessRegressor(ConstantKernel(4.0) * RBF(0.5), alpha=0.01, optimizer=None)
    rival.fit(own.numpy(), y.numpy())
    found = BayesianLastLayer(
        "gaussian", prior_variance=4.0, noise_variance=0.01, kernel="gaussian", bandwidth=0.5
    ).fit(x, y)
    between = x[:-1] + 0.02
    mean = rival.predict(((between - x.mean()) / x.std(correction=0)).numpy())
    assert_close(found.logits(between)[:, 0], mean, atol=0.02)
    far = found.entropy(torch.tensor([[30.0]], dtype=torch.float64))
    assert_close(far, [0.5 * np.log(2 * np.pi * np.e * 4.01)], atol=0.3)


def test_the_usual_kernel_is_as_wide_as_rows_are_apart_and_its_logits_vary_by_ten():
    usual = BayesianLastLayer(kernel="gaussian").fit(X, LABELS)
    told = BayesianLastLayer(kernel="gaussian", bandwidth=D**0.5, prior_variance=100.0).fit(X, LABELS)
    assert_close(usual.predict_proba(X), told.predict_proba(X), atol=1e-9)
    far = usual.fit_.posterior.outputs(usual.fit_.design(1e4 * X))[1]
    assert 70 < float(far.mean()) < 200  # the logits', and that of their bias


def test_with_the_gaussian_kernel_it_bends_and_is_unsure_far_away():
    x = torch.randn(400, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ring = (x.norm(dim=1) > 1.2).long()
    linear, bent = (BayesianLastLayer(kernel=kernel).fit(x, ring) for kernel in ("linear", "gaussian"))
    share = [(layer.predict_proba(x).argmax(dim=1) == ring).double().mean() for layer in (linear, bent)]
    assert share[0] < 0.7 < 0.95 < share[1]
    far = 20 * x[:50]
    split = BayesianLastLayer(kernel="gaussian").fit(x, (x[:, 0] > 0).long())
    assert split.entropy(far).mean() > 0.4
    assert BayesianLastLayer().fit(x, (x[:, 0] > 0).long()).entropy(far).mean() < 0.1
    some = x[:3].clone().requires_grad_()
    assert torch.autograd.gradcheck(split.entropy, (some,), fast_mode=True)


@pytest.mark.parametrize(
    ("settings", "features", "targets", "kind", "message"),
    [
        ({"kernel": "cubic"}, X, LABELS, SettingError, "kernel must be one of 'linear', 'gaussian'"),
        (
            {"bandwidth": 2.0},
            X,
            LABELS,
            SettingError,
            "bandwidth must be given for the gaussian kernel alone",
        ),
        ({"kernel": "gaussian", "bandwidth": 0.0}, X, LABELS, SettingError, "bandwidth must be"),
        ({"covariance": "half"}, X, LABELS, SettingError, "covariance must be one of 'full', 'mean-field'"),
        ({"likelihood": "gaussian"}, X, Y, SettingError, "noise_variance must be given for gaussian alone"),
        ({"noise_variance": 1.0}, X, LABELS, SettingError, "noise_variance must be given for gaussian"),
        ({"prior_variance": 0.0}, X, LABELS, SettingError, "prior_variance must be"),
        ({}, X * np.nan, LABELS, DataError, "features must be finite"),
        ({}, X, LABELS[1:], ShapeError, "targets must be one label for each of 200 rows"),
        ({}, X, torch.ones(N), DataError, "targets must hold two classes or more; got the class 1 alone"),
        ({}, X, Y[:, 0], DataError, "targets must be whole numbers"),
        ({"likelihood": "gaussian", "noise_variance": 1.0}, X, Y[1:], ShapeError, r"targets must have shape"),
    ],
)
def test_what_is_refused(settings, features, targets, kind, message):
    with pytest.raises(kind, match=f"BayesianLastLayer: {message}"):
        BayesianLastLayer(**settings).fit(features, targets)


def test_words_are_labels_as_numbers_are(layer):
    words = np.array(["ant", "bee", "cat"])[LABELS // 2]
    of_words = BayesianLastLayer().fit(X, words)
    assert of_words.classes_.tolist() == ["ant", "bee", "cat"]
    assert layer.classes_.tolist() == [1, 3, 5]
    assert_close(of_words.predict_proba(X), layer.predict_proba(X))
    assert BayesianLastLayer("gaussian", noise_variance=1.0).fit(X, Y).classes_.shape == (0,)


def test_what_is_refused_later(layer):
    with pytest.raises(NotFittedError, match=r"Call BayesianLastLayer\.fit first"):
        BayesianLastLayer().entropy(X)
    with pytest.raises(ShapeError, match=r"features must have shape \(n, 4\)"):
        layer.logits(X[:, :2])
    targets = BayesianLastLayer("gaussian", noise_variance=1.0).fit(X, Y)
    with pytest.raises(SettingError, match="likelihood must be categorical for probabilities; got gaussian"):
        targets.predict_proba(X)
