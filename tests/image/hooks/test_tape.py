"""A network of two layers, whose features with a hook are written out by hand."""

import pytest
import torch
from torch import nn

from dima.errors import DataError, DataTypeError, NumericsError, SettingError, ShapeError
from dima.image.hooks.tape import Context, Tape, hooked, leave

X = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))


class Network(nn.Module):
    """Twice the input, then three more; `in` and `out` are its sites."""

    sites = ("in", "out")

    def __init__(self):
        super().__init__()
        self.tape = None

    def forward(self, x, log_snr=None, rows=slice(None)):
        if self.tape:
            self.tape.begin(log_snr, rows)
        touch = self.tape or leave
        h = touch("in", x * 2)
        return touch("out", h + 3)


def same(features, context):
    return features


def test_a_hook_changes_the_features_of_its_site_and_no_other():
    network = Network()
    with hooked(network, {"in": lambda features, context: features * 10}):
        assert torch.equal(network(X), X * 2 * 10 + 3)
    with hooked(network, {"in": lambda h, _: h * 10, "out": lambda h, _: -h}):
        assert torch.equal(network(X), -(X * 2 * 10 + 3))


def test_an_identity_leaves_every_bit():
    network = Network()
    before = network(X)
    with hooked(network, {"in": same, "out": same}, record=["in"]):
        assert torch.equal(network(X), before)


def test_a_site_without_hook_returns_the_very_tensor():
    tape = Tape(["in", "out"], {"in": same}, record=["out"])
    assert tape("out", X) is X
    assert tape("elsewhere", X) is X
    assert leave("in", X) is X


def test_the_tape_goes_however_the_block_ends():
    network = Network()
    with hooked(network, {}) as tape:
        assert network.tape is tape
    assert network.tape is None
    with pytest.raises(KeyError, match="mine"), hooked(network, {}):
        raise KeyError("mine")
    assert network.tape is None

    def broken(features, context):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), hooked(network, {"in": broken}):
        network(X)
    assert network.tape is None
    assert torch.equal(network(X), X * 2 + 3)


def test_a_second_block_inside_is_refused_and_the_first_goes_on():
    network = Network()
    with hooked(network, {"in": lambda h, _: -h}):
        with pytest.raises(SettingError, match=r"free of hooks.*Compose"), hooked(network, {}):
            pass
        assert torch.equal(network(X), X * -2 + 3)
    assert network.tape is None


def test_the_context_says_where_and_when():
    told = []

    def listen(features, context):
        told.append(context)
        return features

    network, levels = Network(), torch.tensor([1.0, 2.0])
    with hooked(network, {"in": listen, "out": listen}):
        network(X[:2], levels, slice(0, 2))
        network(X[2:4], levels - 1, slice(2, 4))
        network(X)
    assert [(c.site, c.step, c.rows) for c in told] == [
        ("in", 0, slice(0, 2)),
        ("out", 0, slice(0, 2)),
        ("in", 1, slice(2, 4)),
        ("out", 1, slice(2, 4)),
        ("in", 2, slice(None)),
        ("out", 2, slice(None)),
    ]
    assert told[1].log_snr is levels
    assert torch.equal(told[2].log_snr, torch.tensor([0.0, 1.0]))
    assert told[4].log_snr is None


def test_steps_are_counted_within_one_block():
    steps = []

    def count(features, context):
        steps.append(context.step)
        return features

    network = Network()
    for _ in range(2):
        with hooked(network, {"in": count}):
            network(X)
            network(X)
    assert steps == [0, 1, 0, 1]


def test_features_are_recorded_after_the_hook_where_asked():
    network = Network()
    leaf = X.clone().requires_grad_()
    with hooked(network, {"in": lambda h, _: h + 1, "out": lambda h, _: -h}, record=["in"]) as tape:
        network(leaf)
        network(leaf * 3)
    assert list(tape.seen) == ["in"]
    assert [torch.equal(a, b) for a, b in zip(tape.seen["in"], [X * 2 + 1, X * 6 + 1], strict=True)] == [
        True
    ] * 2
    assert not tape.seen["in"][0].requires_grad


def test_a_record_stays_what_it_was():
    tape, features = Tape(["in"], {}, record=["in"]), X.clone()
    tape("in", features).mul_(0)
    assert torch.equal(tape.seen["in"][0], X)


def test_a_hook_in_place_reaches_no_other_user_of_the_features():
    tape, skip = Tape(["in"], {"in": lambda h, _: h.mul_(2)}), X.clone()
    assert torch.equal(tape("in", skip), X * 2)
    assert torch.equal(skip, X)


def test_gradients_go_through_a_hook():
    leaf = X.clone().requires_grad_()
    Tape(["in"], {"in": lambda h, _: h * 5})("in", leaf).sum().backward()
    assert torch.equal(leaf.grad, torch.full_like(X, 5.0))


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (None, DataTypeError, "'in' must be a tensor; got None"),
        (X.numpy(), DataTypeError, "'in' must be a tensor; got ndarray"),
        (X[:2], ShapeError, r"'in' must be of shape \(5, 3\); got \(2, 3\)"),
        (X[None], ShapeError, r"'in' must be of shape \(5, 3\); got \(1, 5, 3\)"),
        (X.to("meta"), DataError, "'in' must be on cpu; got meta"),
        (X.double(), DataTypeError, "'in' must be of torch.float32; got torch.float64"),
        (X.log(), NumericsError, "'in' must be finite"),
        (X / 0, NumericsError, "'in' must be finite"),
        (X * 2000, NumericsError, "'in' must be at most 1000 times"),
        (X * 1e30, NumericsError, "'in' must be finite; got .* too large"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused(answer, error, said):
    with pytest.raises(error, match=f"^hooks: the answer at {said}") as told:
        Tape(["in"], {"in": lambda h, _: answer})("in", X)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_growth_is_allowed_up_to_its_bound(dtype):
    features = torch.ones(2, 3, dtype=dtype)
    bound = 1000 * (1 + 0.01)

    def answered(size):
        return Tape(["in"], {"in": lambda h, _: h * size})("in", features)

    assert torch.equal(answered(0.98 * bound), features * (0.98 * bound))
    with pytest.raises(NumericsError, match="from 1"):
        answered(1.02 * bound)


def test_features_of_zeros_may_get_a_bias_and_empty_ones_nothing():
    tape = Tape(["in"], {"in": lambda h, _: h + 3})
    assert tape("in", torch.zeros(2, 3)).eq(3).all()
    assert tape("in", torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize(
    ("hooks", "record", "said"),
    [
        ({"mid": same}, (), "a site must be one of in, out; got 'mid'"),
        ({"in": same}, ["up"], "a site must be one of in, out; got 'up'"),
        ({"in": 3}, (), "the hook at 'in' must be a function .* got int"),
        ({"in": lambda h: h}, (), r"the hook at 'in' must take \(features, context\); got one that"),
        ({"in": None}, (), "the hook at 'in' must be a function .* got NoneType"),
        ([same], (), "hooks must be a dictionary, site -> function; got list"),
    ],
)
def test_hooks_that_cannot_be_used_are_refused_at_the_door(hooks, record, said):
    network = Network()
    with pytest.raises(SettingError, match=said), hooked(network, hooks, record):
        pass
    assert network.tape is None


def test_a_touch_before_any_pass_has_the_plain_context():
    told = []
    Tape(["in"], {"in": lambda h, context: told.append(context) or h})("in", X)
    assert told == [Context("in", None, 0, slice(None))]


def test_many_features_in_half_precision_are_not_too_large():
    features = torch.full((2, 1 << 18), 100.0, dtype=torch.float16)  # their norm, 72408, is beyond 65504
    assert torch.equal(Tape(["in"], {"in": same})("in", features), features)
