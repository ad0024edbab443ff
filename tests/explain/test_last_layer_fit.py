import pytest
import torch

from close import assert_close
from dima.errors import NumericsError
from dima.explain import last_layer_fit as vi

DRAWS = torch.Generator().manual_seed(0)
LABELS = torch.randint(4, (30,), generator=DRAWS)
DESIGN = torch.randn(30, 3, generator=DRAWS, dtype=torch.float64)
LIKELIHOOD = vi.Categorical(LABELS, vi.contrasts(4), vi.normals(32, 3, 0))


def test_contrasts_are_orthonormal_and_blind_to_a_common_shift():
    basis = vi.contrasts(5)
    assert_close(basis.T @ basis, torch.eye(4), atol=1e-12)
    assert_close(basis.sum(dim=0), torch.zeros(4), atol=1e-12)


def test_draws_are_standard_normal():
    draws = vi.normals(1024, 3, 0)
    assert_close(draws.mean(dim=0), torch.zeros(3), atol=0.01)
    assert_close(draws.T.cov(), torch.eye(3), atol=0.03)


def test_slope_and_curvature_against_autograd_at_known_outputs():
    outputs = torch.randn(3, generator=DRAWS, dtype=torch.float64)
    told = LIKELIHOOD.expect(outputs[None], torch.zeros(1, 3, dtype=torch.float64), slice(4, 5))

    def minus_log(at):
        return -(LIKELIHOOD.basis @ at).log_softmax(dim=0)[LABELS[4]]

    hessian = torch.autograd.functional.hessian(minus_log, outputs)
    assert_close(told.slope[0], -torch.autograd.functional.jacobian(minus_log, outputs), atol=1e-12)
    assert_close(told.curvature[0], hessian.diagonal(), atol=1e-12)
    direction = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    assert_close(LIKELIHOOD.product(told.joint, direction), direction @ hessian, atol=1e-12)


def test_blocks_change_nothing(monkeypatch):
    whole = vi.fit(DESIGN, LIKELIHOOD, "full", 1.0)
    monkeypatch.setattr(vi, "_CACHE", 1)
    assert_close(vi.fit(DESIGN, LIKELIHOOD, "full", 1.0).mean, whole.mean, atol=1e-9)


def test_a_search_that_is_cut_short_says_so(monkeypatch):
    monkeypatch.setattr(vi, "_MOST_STEPS", 2)
    with pytest.raises(NumericsError, match=r"must come to rest in 2 steps; got one of .*prior_variance\."):
        vi.fit(DESIGN, LIKELIHOOD, "full", 1.0)
