"""Pairs in a folder: what noise belongs to what image, going on, and folders of others."""

import numpy as np
import pytest
import torch

from dima.errors import ArtifactError, SettingError
from dima.image import DiffusionModel, pixel
from dima.image.direct.pairs import (
    NOISE_ROW,
    Pairs,
    PairsPlan,
    make_pairs,
    network_identity,
    open_pairs,
    walker,
)
from dima.noise import sampling

SHAPE = (1, 4, 4)


def plan(**changed):
    settings = {"n": 1003, "seed": 5, "solver": "ddim", "steps": 4, "is_deterministic": True, "teacher": "a"}
    return PairsPlan(**(settings | changed), image_shape=SHAPE)


def squashed(noise, first):
    return torch.tanh(noise)


def test_an_image_is_that_of_its_noise_within_half_a_level(tmp_path):
    pairs = make_pairs(squashed, tmp_path / "pairs", plan())
    images, noise = pairs.images(), pairs.noise(slice(None))
    assert images.shape == (1003, *SHAPE)
    np.testing.assert_allclose(images, torch.tanh(noise).numpy(), atol=1 / 255 + 1e-6)
    assert torch.equal(pairs.noise(slice(1001, 1003)), noise[1001:])
    assert not torch.equal(noise[0], noise[1])


def test_what_is_there_stays_and_what_is_missing_is_filled_in(tmp_path):
    made = []

    def walk(noise, first):
        made.append((first, len(noise)))
        return torch.tanh(noise)

    pairs = make_pairs(walk, tmp_path, plan(), batch_size=400)
    assert made == [(0, 400), (400, 400), (800, 200), (1000, 3)]
    before = pairs.images()
    (tmp_path / "images_00001000.npy").unlink()
    with pytest.raises(ArtifactError, match=r"must hold images; got none\. Make the pairs again"):
        pairs.images()
    made.clear()
    make_pairs(walk, tmp_path, plan(), batch_size=400)
    assert made == [(1000, 3)]
    np.testing.assert_array_equal(open_pairs(tmp_path).images(), before)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"no array", None])
def test_a_damaged_file_is_made_again(tmp_path, damage):
    before = make_pairs(squashed, tmp_path, plan(n=4)).images()
    place = tmp_path / "images_00000000.npy"
    place.write_bytes(place.read_bytes()[:-3] if damage is None else damage)
    with pytest.raises(ArtifactError, match=r"must hold images; got a damaged file\. Make the pairs again"):
        open_pairs(tmp_path).images()
    np.testing.assert_array_equal(make_pairs(squashed, tmp_path, plan(n=4)).images(), before)


def test_noise_of_pairs_is_that_of_no_sample(tmp_path):
    old, new = plan(n=4), plan(n=4, noise_row=NOISE_ROW)
    sampled = pixel.noise_of(5, range(4), SHAPE)
    made = make_pairs(squashed, tmp_path / "new", new)
    assert (made.noise(slice(4)) - sampled).abs().min() > 0
    # A folder of an older version says nothing of it, keeps its noise and goes on.
    before = make_pairs(squashed, tmp_path / "old", old).images()
    place = tmp_path / "old" / "pairs.json"
    place.write_text(place.read_text().replace(',"noise_row":0', ""))
    assert torch.equal(open_pairs(tmp_path / "old").noise(slice(4)), sampled)
    (tmp_path / "old" / "images_00000000.npy").unlink()
    np.testing.assert_array_equal(make_pairs(squashed, tmp_path / "old", new).images(), before)


def test_fresh_noise_on_the_way_is_of_the_pair_however_many_are_walked_at_a_time():
    teacher = DiffusionModel(widths=[4, 8], block_depth=1, latent_dim=0, image_shape=SHAPE)
    table = sampling.table(teacher.path, solver="ddpm", steps=3)
    walk, noise = walker(teacher, table, seed=2), pixel.noise_of(2, range(6), SHAPE, NOISE_ROW)
    whole, parts = walk(noise, 0), torch.cat([walk(noise[:4], 0), walk(noise[4:], 4)])
    torch.testing.assert_close(whole, parts, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(whole, teacher.decode(None, noise, steps=3, solver="ddpm", seed=2))
    assert not torch.allclose(whole[4:], walk(noise[4:], 5), atol=1e-3)


def test_what_makes_no_pairs_is_refused(tmp_path):
    with pytest.raises(SettingError, match=r"pairs: n must be at least 2; got 1\. Raise it"):
        make_pairs(squashed, tmp_path, plan(n=1))
    with pytest.raises(SettingError, match=r"pairs: batch_size must be at least 1; got 0\. Raise it"):
        make_pairs(squashed, tmp_path, plan(), batch_size=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ArtifactError, match=r"must be a folder to write to; got .*\. Check .* or choose another place\."
    ):
        make_pairs(squashed, tmp_path / "file", plan())


def test_pairs_of_others_are_left_alone(tmp_path):
    make_pairs(squashed, tmp_path, plan(n=2))
    with pytest.raises(SettingError, match=r"must be of teacher b; got teacher a. Choose another folder"):
        make_pairs(squashed, tmp_path, plan(n=2, teacher="b"))
    (tmp_path / "pairs.json").write_text('{"n": 2}')
    with pytest.raises(ArtifactError, match="must describe pairs"):
        open_pairs(tmp_path)
    with pytest.raises(ArtifactError, match=r"must hold pairs; got none\. Make some with"):
        open_pairs(tmp_path / "elsewhere")
    np.save(tmp_path / "images_00000000.npy", np.zeros((2, 4, 4)))
    with pytest.raises(ArtifactError, match=r"must be uint8 \(2, 1, 4, 4\); got float64"):
        Pairs(tmp_path, plan(n=2)).images()


def test_a_network_is_known_by_its_parameters():
    one = {"a": np.zeros(3), "b": np.ones(2)}
    assert network_identity(one) == network_identity(dict(reversed(one.items())))
    assert network_identity(one) != network_identity({"a": np.zeros(3), "b": np.full(2, 1.0001)})
    assert network_identity(one) != network_identity({"b": np.zeros(3), "a": np.ones(2)})
