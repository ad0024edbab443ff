"""Ready hooks against closed forms in NumPy, float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from close import assert_close
from dima.errors import SettingError, ShapeError
from dima.image.hooks.ready import (
    Amplify,
    Away,
    Bias,
    Compose,
    Dampen,
    ProjectOut,
    Select,
    Swap,
    Toward,
)
from dima.image.hooks.tape import Context, Tape

SHAPE = (3, 2, 4)


def drawn(seed, *shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


F = drawn(0, 5, *SHAPE)
TARGET = drawn(1, *SHAPE)
EVERY = [
    Amplify(1.5),
    Away([TARGET], 0.3),
    Bias([1.0, 2.0, 3.0]),
    Compose([Amplify(2.0), Dampen(0.5)]),
    Dampen(0.5),
    ProjectOut(TARGET),
    Select([0]),
    Swap(TARGET),
    Toward(TARGET, 0.3),
]

seeds, strengths = st.integers(0, 1000), st.floats(0, 1)


def rows(features):
    return features.double().flatten(1).numpy()


def angles(features, direction):
    f, u = rows(features), direction / np.linalg.norm(direction)
    return np.arccos(np.clip(f @ u / np.linalg.norm(f, axis=1), -1, 1))


@pytest.mark.parametrize("hook", EVERY, ids=lambda hook: type(hook).__name__)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_form_is_kept_and_features_are_not_touched(hook, dtype):
    features = F.to(dtype)
    before = features.clone()
    answer = Tape(["mid"], {"mid": hook})("mid", features)  # refuses another form
    assert torch.equal(features, before)
    assert torch.equal(answer, hook(features))
    # Half precision is the rounded answer of full precision.
    if dtype == torch.bfloat16:
        assert_close(answer.float(), hook(features.float()), atol=0.05, rtol=0.02)


@pytest.mark.parametrize("hook", EVERY, ids=lambda hook: type(hook).__name__)
def test_samples_do_not_see_each_other(hook):
    one_by_one = torch.cat([hook(f[None]) for f in F])
    assert_close(hook(F), one_by_one, atol=1e-6)
    assert hook(F[:0]).shape == (0, *SHAPE)


@pytest.mark.parametrize("hook", EVERY, ids=lambda hook: type(hook).__name__)
def test_images_in_the_order_of_channels_last_are_the_same_images(hook):
    assert_close(hook(F.to(memory_format=torch.channels_last)), hook(F), atol=1e-6)


def test_factors_and_amounts():
    assert torch.equal(Amplify(2)(F), F + F)
    assert torch.equal(Dampen(0)(F), F * 0)
    assert torch.equal(Dampen(1)(F), F)
    assert torch.equal(Bias(0.25)(F), F + 0.25)
    added = Bias(np.array([1.0, 2.0, 3.0]))(F) - F
    assert_close(added.mean((0, 2, 3)), [1.0, 2.0, 3.0], atol=1e-6)
    assert_close(added.amax((0, 2, 3)), added.amin((0, 2, 3)), atol=1e-6)


def test_select_keeps_channels_bit_for_bit_and_silences_nan_elsewhere():
    features = F.clone()
    features[:, 1] = math.nan
    answer = Select(torch.tensor([2, 0]))(features)
    assert torch.equal(answer[:, [0, 2]], F[:, [0, 2]])
    assert torch.equal(answer[:, 1], torch.zeros(5, 2, 4))


def test_toward_begins_at_the_features_and_ends_at_the_target():
    assert torch.equal(Toward(TARGET, 0)(F), F)
    assert torch.equal(Toward(TARGET, 1)(F), TARGET.expand_as(F))
    assert torch.equal(Swap(TARGET)(F), TARGET.expand_as(F))


@given(seeds, strengths)
def test_toward_goes_its_share_of_the_straight_way(seed, strength):
    f, target = drawn(seed, 2, *SHAPE), drawn(seed + 1, *SHAPE)
    wanted = rows(f) + strength * (target.double().flatten().numpy() - rows(f))
    assert_close(rows(Toward(target, strength)(f)), wanted, atol=1e-5)


@pytest.mark.parametrize("made", [Swap, lambda target: Toward(target, 1.0)])
def test_each_sample_of_a_call_in_blocks_gets_its_own(made):
    targets = drawn(2, 7, *SHAPE)
    hook = made(targets)
    blocks = [slice(0, 5), slice(5, 7)]
    told = [hook(F[: r.stop - r.start], Context("mid", None, 0, r)) for r in blocks]
    assert torch.equal(torch.cat(told), targets)
    with pytest.raises(ShapeError, match=r"at 'mid': .*got \(7, 3, 2, 4\) for rows 5 to 10"):
        hook(F, Context("mid", None, 0, slice(5, 10)))
    with pytest.raises(ShapeError, match="one for each sample"):
        hook(F)
    with pytest.raises(ShapeError, match="one for each sample"):
        hook(F, Context("mid", None, 0, slice(6, 11)))  # one is left, which is not for all


@given(seeds, strengths)
def test_away_turns_by_its_share_and_keeps_the_length(seed, strength):
    f, targets = drawn(seed, 4, *SHAPE), drawn(seed + 1, 3, *SHAPE)
    units = rows(targets) / np.linalg.norm(rows(targets), axis=1, keepdims=True)
    mean = units.mean(axis=0)
    turned = Away(targets, strength)(f)
    before, after = angles(f, mean), angles(turned, mean)
    assert_close(np.linalg.norm(rows(turned), axis=1), np.linalg.norm(rows(f), axis=1), rtol=1e-5)
    assert_close(after, before + strength * (np.pi - before), atol=2e-3)  # arccos is coarse near pi
    # In the plane of the two: what is left beside it is nothing.
    for new, old in zip(rows(turned), rows(f), strict=True):
        plane, *_ = np.linalg.svd(np.stack([old, mean], axis=1), full_matrices=False)
        assert_close(plane @ (plane.T @ new), new, atol=1e-4)


def test_away_lowers_the_cosine_up_to_the_opposite():
    cosines = [np.cos(angles(Away([TARGET], s)(F), rows(TARGET[None])[0])) for s in np.linspace(0, 1, 6)]
    assert (np.diff(cosines, axis=0) < 0).all()
    assert_close(cosines[-1], np.full(5, -1.0), atol=1e-6)
    assert torch.equal(Away([TARGET], 0)(F), F)


def test_away_weighs_targets_by_direction_not_by_size():
    one, other = drawn(3, 2, *SHAPE)
    assert_close(Away([one * 100, other], 0.4)(F), Away([one, other], 0.4)(F), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_away_leaves_what_has_no_side_to_turn_to(dtype):
    along = torch.stack([TARGET * 2, -TARGET, TARGET * 0]).to(dtype)
    assert torch.equal(Away(TARGET, 0.7)(along), along)


def test_away_of_targets_that_cancel_is_refused():
    with pytest.raises(SettingError, match="Away at 'mid': targets must have a mean direction"):
        Away([TARGET, -TARGET], 0.3)(F, Context("mid"))


@given(seeds, st.integers(1, 4))
def test_projecting_out_is_least_squares_residuals(seed, k):
    directions, f = drawn(seed, k, *SHAPE), drawn(seed + 1, 5, *SHAPE)
    basis, left = rows(directions).T, ProjectOut(directions)(f)
    wanted = rows(f).T - basis @ np.linalg.lstsq(basis, rows(f).T, rcond=None)[0]
    assert_close(rows(left), wanted.T, atol=1e-4)
    lengths = np.linalg.norm(basis, axis=0)
    assert_close(rows(left) @ basis / lengths, np.zeros((5, k)), atol=1e-5)
    assert_close(ProjectOut(directions)(left), left, atol=1e-5)


def test_dependent_directions_remove_no_more_than_they_span():
    one = ProjectOut(TARGET)(F)
    for spelling in (TARGET[None], [TARGET * 1e-6], [TARGET, -2 * TARGET, TARGET * 0]):
        assert_close(ProjectOut(spelling)(F), one, atol=1e-5)


def test_composing_is_in_order_and_takes_functions():
    assert torch.equal(Compose([Amplify(2.0), Bias(1.0)])(F), F * 2 + 1)
    assert torch.equal(Compose([Bias(1.0), Amplify(2.0)])(F), (F + 1) * 2)
    assert torch.equal(Compose([])(F), F)
    context = Context("mid", None, 3, slice(0, 5))
    assert torch.equal(Compose([Bias(1.0), lambda f, c: f * c.step])(F, context), (F + 1) * 3)


def test_under_autocast_sums_stay_precise():
    with torch.autocast("cpu", torch.bfloat16):
        left, turned = ProjectOut(TARGET)(F), Away([TARGET], 0.3)(F)
    assert torch.equal(left, ProjectOut(TARGET)(F))
    assert torch.equal(turned, Away([TARGET], 0.3)(F))


@pytest.mark.parametrize(
    "hook", [h for h in EVERY if type(h) is not Swap], ids=lambda hook: type(hook).__name__
)
def test_gradients_are_finite_also_along_a_direction(hook):
    leaf = torch.stack([F[0], TARGET, TARGET * 0]).requires_grad_()
    hook(leaf).sum().backward()
    assert leaf.grad.isfinite().all()
    assert leaf.grad.any()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Amplify(0.5), "Amplify: factor must be a finite number >= 1; got 0.5"),
        (lambda: Amplify(math.inf), "factor must be a finite number"),
        (lambda: Amplify(math.nan), "factor must be a finite number"),
        (lambda: Amplify("2"), "factor must be a finite number"),
        (lambda: Dampen(1.5), "Dampen: factor must be a finite number >= 0 and <= 1; got 1.5"),
        (lambda: Dampen(-0.1), "factor must be"),
        (lambda: Toward(TARGET, 1.1), "Toward: strength must be a finite number >= 0 and <= 1; got 1.1"),
        (lambda: Away([TARGET], -0.1), "Away: strength must be"),
        (lambda: Bias(math.nan), "Bias: amount must hold finite real numbers; got NaN"),
        (lambda: Bias(torch.ones(2, 2)), "Bias: amount must be a number or one a channel"),
        (lambda: Select([]), "Select: channels must be a list"),
        (lambda: Select([-1]), "Select: channels must be a list"),
        (lambda: Select([0.5]), "Select: channels must be a list"),
        (lambda: ProjectOut(TARGET * 0), "ProjectOut: directions must point somewhere"),
        (lambda: Compose([Amplify(2.0), 3]), "Compose: hooks must be a list .*; got int"),
        (
            lambda: Compose([Bias(1.0), torch.nn.Identity(), lambda f: f]),
            "Compose: hook 3 must take .*one that cannot. W",
        ),
        (lambda: Compose(Amplify(2.0)), "Compose: hooks must be a list .*; got Amplify"),
    ],
)
def test_settings_out_of_range_are_refused(make, said):
    with pytest.raises(SettingError, match=said) as told:
        make()
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (Bias([1.0, 2.0]), r"Bias at 'mid': amount must be of shape \(3,\); got \(2,\)"),
        (Select([0, 3]), "Select at 'mid': channels must be below 3; got 3"),
        (Swap(TARGET[:2]), r"Swap at 'mid': donor must be of shape \(3, 2, 4\)"),
        (Toward(TARGET[0], 0.5), r"Toward at 'mid': target must be of shape .*; got \(2, 4\)"),
        (Away([TARGET[:2]], 0.5), "Away at 'mid': targets must be of shape"),
        (ProjectOut(TARGET[None, None]), "ProjectOut at 'mid': directions must be of shape"),
    ],
)
def test_tensors_of_another_shape_are_refused(hook, said):
    with pytest.raises(ShapeError, match=said):
        hook(F, Context("mid"))


def test_a_swapped_donor_lies_in_memory_as_the_features_did():
    features, donor = (torch.rand(2, 3, 4, 4) for _ in range(2))
    for layout in (torch.contiguous_format, torch.channels_last):
        given = features.to(memory_format=layout)
        for theirs in (torch.contiguous_format, torch.channels_last):
            changed = Swap(donor.to(memory_format=theirs))(given)
            assert changed.stride() == given.stride()
            assert torch.equal(changed, donor)
