import numpy as np
import pytest
import torch

from close import assert_close
from dima.errors import SettingError
from dima.image.hooks import Amplify
from dima.image.hooks.shown import images, ways
from dima.image.hooks.tape import leave

NOISE, DONORS = torch.randn(2, 2, 1, 3, 3, generator=torch.Generator().manual_seed(0))


class Thirds:
    """A third of the input by "mid", the rest by a skip."""

    sites, tape = ("skip.0", "mid"), None

    def __call__(self, x):
        touch = self.tape or leave
        return touch("mid", x / 3) + touch("skip.0", 2 * x / 3)


def test_images_are_those_with_the_hooks():
    made = images(Thirds(), NOISE, {"mid": Amplify(4.0)})
    assert made.dtype == np.float32
    assert_close(made, 2 * NOISE, rtol=1e-6)


def test_ways_lead_as_far_as_their_sites_carry():
    network = Thirds()
    made = ways(network, NOISE, DONORS, ["mid", "mid + skips"], [0.0, 0.5, 1.0])
    assert list(made) == ["1: mid", "1: mid + skips", "2: mid", "2: mid + skips"]
    for i, (start, end) in enumerate(zip(NOISE, DONORS, strict=True)):
        for group, part in (("mid", 1 / 3), ("mid + skips", 1.0)):
            wanted = torch.stack([start + share * part * (end - start) for share in (0.0, 0.5, 1.0)])
            assert_close(made[f"{i + 1}: {group}"], wanted, rtol=1e-5)
    assert network.tape is None


@pytest.mark.parametrize("given", [(["top"], [0.5]), (["mid"], [1.5])])
def test_what_is_refused(given):
    with pytest.raises(SettingError):
        ways(Thirds(), NOISE, DONORS, *given)
