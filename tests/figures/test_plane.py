import io

import numpy as np
from PIL import Image

from dima.figures.plane import animation, snapshots


def test_clouds_share_their_axes(rng):
    near, far = rng.standard_normal((2, 50, 2)) * np.array([1.0, 10.0])[:, None, None]
    first, second = snapshots({"near": near, "far": far}, "Two").axes
    assert first.get_xlim() == second.get_xlim()
    assert [first.get_title(), second.get_title()] == ["near", "far"]
    assert first.get_xlim()[1] >= np.abs(far).max()


def test_an_animation_has_a_frame_for_each_of_a_few_states(rng):
    states = rng.standard_normal((5, 20, 2))
    with Image.open(io.BytesIO(animation(states, list("abcde")))) as moving:
        assert (moving.format, moving.n_frames) == ("GIF", 5)


def test_many_states_are_thinned(rng):
    with Image.open(io.BytesIO(animation(rng.standard_normal((90, 5, 2)), ["x"] * 90))) as moving:
        assert moving.n_frames == 40
