"""What ready hooks share: fields as data, and tensors lined up with features."""

import dataclasses

import numpy as np
import pytest
import torch

from dima.errors import SettingError, ShapeError
from dima.image.hooks.ready import Away, Select, Swap, Toward
from dima.image.hooks.tape import Context
from dima.image.hooks.values import by_channel, named, narrow, of_samples, rows, wide

F = torch.arange(24.0).reshape(2, 3, 2, 2)


def test_a_hook_holds_its_own_copy_without_gradients():
    target = torch.zeros(3, 2, 2, requires_grad=True)
    hook = Toward(target, 1)
    with torch.no_grad():
        target += 1
    assert torch.equal(hook.target, torch.zeros(3, 2, 2))
    assert not hook.target.requires_grad
    array = np.zeros(3)
    hook = Swap(array)
    array += 1
    assert torch.equal(hook.donor, torch.zeros(3, dtype=torch.float64))


def test_a_hook_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Toward(F[0], 0.5).strength = 2.0


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (F.half(), torch.float32),
        (F.bfloat16(), torch.float32),
        (F, torch.float32),
        (F.double(), torch.float64),
        (F.int(), torch.float32),
        (list(F), torch.float32),
    ],
)
def test_tensors_are_kept_without_loss_in_one_of_two_types(values, dtype):
    donor = Swap(values).donor
    assert donor.dtype == dtype
    assert torch.equal(donor.float(), F)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("text", "donor must be a tensor, or a list of tensors of one shape; got str"),
        (None, "got NoneType"),
        ([], "got list"),
        ([F[0], F[0, :1]], "got list"),
        (torch.zeros(0, 3), "finite real numbers; got none"),
        (F.cfloat(), "got complex ones"),
        (F / 0, "got NaN or inf"),
    ],
)
def test_what_is_no_tensor_of_numbers_is_refused(values, said):
    with pytest.raises(SettingError, match=f"^Swap: .*{said}"):
        Swap(values)


def test_plain_settings_are_plain_python():
    hook = Away(F, np.float32(0.5))
    assert type(hook.strength) is float
    assert Select(np.array([1, 0])).channels == (1, 0)
    assert Toward(F[0], 1).strength == 1.0


def test_a_long_tensor_is_not_shown():
    assert repr(Toward(F[0], 0.5)) == "Toward(strength=0.5)"


def test_values_of_samples():
    one, context = F[0], Context("mid", None, 0, slice(1, 3))
    calls = torch.stack([one, one + 1, one + 2])
    for values in (one, one[None]):
        assert torch.equal(of_samples("x", "v", values, F, context), torch.stack([one, one]))
    assert torch.equal(of_samples("x", "v", calls, F, context), calls[1:])
    assert of_samples("x", "v", calls, F.double(), context).dtype == torch.float64
    assert torch.equal(of_samples("x", "v", calls[:2], F, None), calls[:2])
    for wrong in (calls, one[:, :1], calls[None], torch.tensor(1.0)):
        with pytest.raises(ShapeError, match="x: v must be of shape"):
            of_samples("x", "v", wrong, F, None)


def test_rows_are_flat_samples():
    assert torch.equal(rows("x", "v", F[0], F, None), F[:1].reshape(1, 12))
    assert torch.equal(rows("x", "v", F, F[:1], None), F.reshape(2, 12))
    assert torch.equal(narrow(wide(F.half()), F.half()), F.half())
    assert wide(F.half()).dtype == torch.float32
    assert wide(F.double()).dtype == torch.float64
    for wrong in (F[:, :2], F[None], torch.tensor(1.0)):
        with pytest.raises(ShapeError, match="x: v must be of shape"):
            rows("x", "v", wrong, F, None)


def test_channels_line_up():
    amounts = torch.tensor([0.0, 10.0, 20.0])
    assert by_channel(amounts, F).shape == (3, 1, 1)
    assert by_channel(amounts, F[:, :, 0, 0]).shape == (3,)
    assert torch.equal((F * 0 + by_channel(amounts, F))[1, :, 1, 0], amounts)


def test_messages_open_with_the_hook_and_its_site():
    assert named("Swap", None) == named("Swap", Context("")) == "Swap"
    assert named("Swap", Context("up.1")) == "Swap at 'up.1'"
