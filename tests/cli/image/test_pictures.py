"""The picture that verbs write: a square grid, light on dark, in colour where there is some."""

import numpy as np
from matplotlib.image import imread

from dima.cli.image.pictures import save_grid


def test_white_stays_white_and_the_grid_is_square(tmp_path):
    images = np.full((9, 1, 8, 8), -1.0, np.float32)
    images[0] = 1.0
    save_grid(tmp_path / "grid.png", images)
    shown = imread(tmp_path / "grid.png")[..., :3].mean(axis=-1)
    high, wide = shown.shape
    assert abs(high - wide) < 10
    assert shown[high // 6, wide // 6] > 0.95
    assert shown[high // 2, wide // 2] < 0.05


def test_colours_are_kept(tmp_path):
    images = np.stack([np.full((8, 8), level, np.float32) for level in (1.0, -1.0, 0.0)])[None]
    save_grid(tmp_path / "red.png", images)
    shown = imread(tmp_path / "red.png")
    high, wide = shown.shape[:2]
    np.testing.assert_allclose(shown[high // 2, wide // 2, :3], [1.0, 0.0, 0.5], atol=0.02)
