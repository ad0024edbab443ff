"""Contrast: the factor of logits whose answer is known, and what a fitted autoencoder keeps of it."""

import numpy as np
import pytest
import torch

from close import assert_close
from dima.image.autoencoder.contrast import contrast_of
from image.autoencoder.test_fit import IMAGES, fitted

LOGITS = torch.from_numpy(np.random.default_rng(0).normal(0, 3, (50, 1, 8, 8))).float()


def grey(logits):
    return float((logits.double().sigmoid() * (-logits.double()).sigmoid()).mean())


@pytest.mark.parametrize("factor", [1.3, 4.0])
def test_at_the_factor_half_of_the_surplus_is_left(factor):
    found = contrast_of(LOGITS, (factor * LOGITS).sigmoid())
    assert 1 < found < factor
    assert_close(grey(found * LOGITS), (grey(LOGITS) + grey(factor * LOGITS)) / 2, rtol=1e-5)


def test_images_that_are_no_greyer_are_left_alone():
    assert contrast_of(LOGITS, (0.5 * LOGITS).sigmoid()) == 1.0


def test_of_black_and_white_images_half_of_the_grey_is_left():
    found = contrast_of(LOGITS, (LOGITS > 0).float())
    assert_close(grey(found * LOGITS), grey(LOGITS) / 2, rtol=1e-5)


def test_logits_of_next_to_nothing_end_the_search():
    assert_close(contrast_of(1e-3 * LOGITS, (LOGITS > 0).float()), 8.0, rtol=1e-6)


@pytest.mark.parametrize("model", ["mlp", "conv"])
def test_decoded_training_images_are_greyer_by_half_of_what_they_were(model):
    plain, raised = (fitted(model=model, epochs=6, contrast=asked) for asked in (False, True))
    codes = plain.encode(IMAGES)
    np.testing.assert_array_equal(raised.encode(IMAGES), codes)
    real, soft, crisp = (
        float((1 - images.astype(np.float64) ** 2).mean())
        for images in (IMAGES, plain.decode(codes), raised.decode(codes))
    )
    assert soft > 1.02 * real
    assert_close(crisp, (soft + real) / 2, rtol=1e-4)
    assert plain.contrast == 1.0 < raised.contrast


def test_the_logits_are_raised_by_that_factor_and_nothing_else_is():
    plain, raised = fitted(), fitted(contrast=True)
    changed = {
        name for name, array in plain.network.items() if not np.array_equal(array, raised.network[name])
    }
    assert changed == {"network.decoder.6.weight", "network.decoder.6.bias"}
    for name in changed:
        assert_close(raised.network[name], raised.contrast * plain.network[name], rtol=1e-6)
