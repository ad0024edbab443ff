"""Pairs in a folder: what noise belongs to what image, going on, and folders of others."""

import numpy as np
import pytest
import torch

from dima.errors import ArtifactError, SettingError
from dima.image.direct.pairs import Pairs, PairsPlan, make_pairs, network_identity, open_pairs

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
