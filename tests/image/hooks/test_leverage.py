"""A linear network, each of whose sites carries a known part of the output."""

import numpy as np
import pytest
import torch

from dima.errors import DataError, NumericsError, SettingError, ShapeError
from dima.image import DiffusionModel
from dima.image.direct import DirectDiffusion
from dima.image.hooks.leverage import leverage, sites_of
from dima.image.hooks.tape import leave
from dima.noise.grid import levels
from dima.noise.solver import build

DRAWS = torch.Generator().manual_seed(0)
NOISE, DONORS = torch.randn(2, 7, 4, generator=DRAWS)
# What a site adds to the output for one of input; together they are all of it.
PARTS = {"skip.0": 0.5, "skip.1": 0.2, "mid": 0.3, "dead": 0.0}


class Linear:
    """The input once a pass, in parts that come by the sites; "dead" is passed and not used."""

    sites = tuple(PARTS)

    def __init__(self, passes=1):
        self.tape, self.passes = None, passes

    def __call__(self, x):
        total = torch.zeros_like(x)
        for i in range(self.passes):
            if self.tape:
                self.tape.begin()
            touch = self.tape or leave
            # Each pass sees another input, so that features of one pass are none of another.
            total = total + sum(part * touch(site, (i + 1) * x) for site, part in PARTS.items())
        return total


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_a_site_has_the_leverage_of_its_part(passes, batch_size):
    found = leverage(Linear(passes), NOISE, DONORS, batch_size=batch_size)
    assert found == pytest.approx(PARTS | {"skips": 0.7, "mid + skips": 1.0}, abs=1e-6)


def test_every_sample_counts_alike():
    # Site "a" carries the first number alone: each sample has a share of its own.
    class Split:
        sites, tape = ("a",), None

        def __call__(self, x):
            touch = self.tape or leave
            return torch.cat([touch("a", x[:, :1]), x[:, 1:]], 1)

    way = (DONORS - NOISE).double()
    shares = way[:, 0] ** 2 / (way**2).sum(1)
    found = leverage(Split(), NOISE, DONORS, batch_size=2)
    assert found == pytest.approx({"a": float(shares.mean())}, rel=1e-5)


def test_away_is_below_nought_and_beyond_is_above_one():
    class Odd:
        sites, tape = ("against", "for"), None

        def __call__(self, x):
            touch = self.tape or leave
            return 3 * touch("for", x) - 2 * touch("against", x)

    found = leverage(Odd(), NOISE, DONORS)
    assert found == pytest.approx({"against": -2.0, "for": 3.0}, rel=1e-5)


def test_the_way_is_measured_in_what_is_seen():
    class Pair:
        sites, tape = ("a", "b"), None

        def __call__(self, x):
            touch = self.tape or leave
            return torch.stack([touch("a", x), touch("b", x)], 1)

    found = leverage(Pair(), NOISE, DONORS, ["b", "a"], see=lambda made: made[:, 0])
    assert list(found.items()) == [("b", 0.0), ("a", pytest.approx(1.0))]
    assert leverage(Pair(), NOISE, DONORS) == pytest.approx({"a": 0.5, "b": 0.5})


def test_make_tells_what_the_network_is_run_for():
    network = Linear()
    found = leverage(network, NOISE, DONORS, ["mid"], make=lambda x: network(network(x)))
    # 0.3 of the donor in both passes: the second swap alone decides, the first pass is seen through .7.
    assert found["mid"] == pytest.approx(0.7 * 0.3 + 0.3, rel=1e-5)


def test_names_stand_for_sites():
    sites = ["skip.0", "skip.1", "mid", "up.0"]
    assert sites_of("mid", sites) == ["mid"]
    assert sites_of("up.0 + skips + skip.1", sites) == ["up.0", "skip.0", "skip.1"]
    with pytest.raises(SettingError, match=r"one of skip.0, skip.1, mid, up.0, skips, or.*got 'top'"):
        sites_of("mid + top", sites)
    with pytest.raises(SettingError, match="one of mid, or"):
        sites_of("skips", ["mid"])


@pytest.fixture(scope="module")
def teacher():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = DiffusionModel(widths=[4, 8], block_depth=1, latent_dim=0)
        for values in model.unet.parameters():  # untrained, it would answer zero
            values.data += 0.1 * torch.randn(values.shape)
    return model.eval()


@pytest.fixture(scope="module")
def noise():
    """Three samples and their donors."""
    return torch.randn(2, 3, 1, 28, 28, generator=torch.Generator().manual_seed(2))


def left(share, noise, made):
    """Leverage where the answer is the donor's, and a share of the sample's own noise stays in the output."""
    own, theirs = (made(part).flatten(1).double() for part in noise)
    way, gap = theirs - own, (noise[0] - noise[1]).flatten(1).double()
    return 1 + float((share * (gap * way).sum(1) / (way**2).sum(1)).mean())


def test_all_that_the_decoder_sees_has_all_leverage(teacher, noise):
    model = DirectDiffusion(teacher)
    with torch.no_grad():
        wanted = left(model.level[0], noise, model.standard_images)
    found = leverage(model, *noise, make=model.standard_images)
    assert list(found) == [*model.sites, "skips", "mid + skips"]
    assert found["mid + skips"] == pytest.approx(wanted, abs=1e-5)
    assert found["down.0"] == pytest.approx(wanted, abs=1e-5)  # comes before all of them
    assert found["up.0"] == pytest.approx(wanted, abs=1e-5)  # and the last block after
    assert max(found["mid"], found["skip.0"]) < 0.99 * wanted
    assert model.tape is None


def test_a_walk_gets_the_features_of_each_step(teacher, noise):
    alpha, sigma = levels(teacher.path, 4)
    table = build("ddim", alpha, sigma)
    walk = lambda x: teacher.walk(table, x, None)  # noqa: E731 used here alone
    # A step of DDIM turns (clean, noise) by an angle, and keeps its cosine of the state beside the answer v.
    kept = np.prod(np.cos(np.diff(np.arctan2(sigma, alpha))))
    with torch.no_grad():
        wanted = left(kept, noise, walk)
    found = leverage(teacher.unet, *noise, ["mid + skips", "mid"], make=walk, batch_size=2)
    assert found["mid + skips"] == pytest.approx(wanted, abs=1e-4)
    assert found["mid"] < found["mid + skips"]


def test_a_second_pass_is_swapped_too(teacher, noise):
    model = DirectDiffusion(teacher)
    model.pixel_spread.fill_(1e-3)  # so that no pixel is clipped
    made = lambda x: model(x, steps=2)  # noqa: E731 used here alone
    alpha, sigma = model.middle
    with torch.no_grad():  # the second pass puts the sample's own noise back
        wanted = left(1e-3 * alpha * (alpha * model.level[0] + sigma), noise, made)
    found = leverage(model, *noise, ["bottom.0", "mid + skips"], make=made)
    assert found["mid + skips"] == pytest.approx(wanted, abs=1e-4)
    assert found["bottom.0"] < found["mid + skips"]


def test_a_donor_that_leads_nowhere_else_is_refused():
    same = DONORS.clone()
    same[[2, 5]] = NOISE[[2, 5]]
    with pytest.raises(DataError, match=r"got the same for samples 2\. Choose"):
        leverage(Linear(), NOISE, same, batch_size=3)
    with pytest.raises(DataError, match=r"got the same for samples 5\. Choose"):
        leverage(Linear(), NOISE, torch.cat([DONORS[:5], same[5:]]), batch_size=2)
    with pytest.raises(DataError, match=r"got the same for samples 2, 5\. Choose"):
        leverage(Linear(), NOISE, same)
    with pytest.raises(DataError, match=r"samples 0, 1, 2, 3, 4, \.\.\.\. Choose"):
        leverage(Linear(), NOISE, DONORS, see=torch.zeros_like)
    # Outputs that differ by rounding alone.
    with pytest.raises(DataError, match="lead to another output"):
        leverage(Linear(), NOISE, DONORS, see=lambda made: made + 1e7)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"donors": DONORS[:3]}, ShapeError, r"of the noise, \(7, 4\); got \(3, 4\)"),
        ({"noise": NOISE[:0], "donors": NOISE[:0]}, DataError, "at least one sample; got none"),
        ({"donors": DONORS * float("nan")}, DataError, "must be finite"),
        ({"batch_size": 0}, SettingError, "at least 1; got 0"),
        ({"sites": ["top"]}, SettingError, "one of skip.0, skip.1, mid, dead, skips"),
        ({"see": lambda made: made.sum()}, ShapeError, r"7 rows, one a sample; got shape \(\)"),
        ({"see": lambda made: made / 0}, NumericsError, "NaN or inf among samples 0 to 6"),
        ({"make": lambda x: x}, DataError, "misses 'skip.0'. Let make run the network"),
    ],
)
def test_what_does_not_fit_is_refused(change, kind, message):
    network = Linear()
    with pytest.raises(kind, match=f"leverage: .*{message}"):
        leverage(**{"network": network, "noise": NOISE, "donors": DONORS} | change)
    assert network.tape is None


def test_a_walk_that_is_longer_for_a_sample_is_refused():
    network = Linear()
    often = lambda x: network(x) if torch.equal(x, DONORS) else network(network(x))  # noqa: E731
    with pytest.raises(DataError, match="as often for a sample as for its donor, 1 times; got more"):
        leverage(network, NOISE, DONORS, ["mid"], make=often)
