"""Contrast: the factor of logits whose answer is known, and images with it raised."""

import numpy as np
import pytest
import torch

from close import assert_close
from dima.image.contrast import contrast_of, raised

LOGITS = torch.from_numpy(np.random.default_rng(0).normal(0, 3, (50, 1, 8, 8))).float()


def grey(logits):
    return float((logits.double().sigmoid() * (-logits.double()).sigmoid()).mean())


@pytest.mark.parametrize("factor", [1.0, 1.3, 4.0])
def test_it_is_the_factor_that_the_pixels_were_made_with(factor):
    assert_close(contrast_of(LOGITS, (factor * LOGITS).sigmoid()), factor, rtol=1e-5)


@pytest.mark.parametrize("factor", [1.3, 4.0])
def test_of_half_the_surplus_half_is_left(factor):
    found = contrast_of(LOGITS, (factor * LOGITS).sigmoid(), 0.5)
    assert 1 < found < factor
    assert_close(grey(found * LOGITS), (grey(LOGITS) + grey(factor * LOGITS)) / 2, rtol=1e-5)


def test_images_that_are_no_greyer_are_left_alone():
    assert contrast_of(LOGITS, (0.5 * LOGITS).sigmoid()) == 1.0


def test_black_and_white_images_end_the_search():
    assert_close(contrast_of(LOGITS, (LOGITS > 0).float()), 8.0, rtol=1e-6)


def test_of_black_and_white_images_half_of_the_grey_is_left():
    found = contrast_of(LOGITS, (LOGITS > 0).float(), 0.5)
    assert_close(grey(found * LOGITS), grey(LOGITS) / 2, rtol=1e-5)


@pytest.mark.parametrize("factor", [1.4, 3.0])
def test_images_are_raised_as_their_logits_are(factor):
    images = 2 * LOGITS.double().sigmoid() - 1
    assert_close(raised(images, factor), 2 * (factor * LOGITS.double()).sigmoid() - 1, atol=1e-12)
    assert raised(images, 1.0) is images


def test_black_and_white_stay_and_take_a_gradient():
    images = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    made = raised(images, 1.5)
    assert made.tolist() == [-1.0, 0.0, 1.0]
    made.sum().backward()
    assert torch.isfinite(images.grad).all()
