"""Contrast: what a fitted autoencoder keeps of it."""

import numpy as np
import pytest

from close import assert_close
from dima.image.autoencoder import contrast
from image.autoencoder.test_fit import IMAGES, fitted


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


def test_of_images_too_large_for_memory_a_few_are_compared(monkeypatch):
    compared = []
    monkeypatch.setattr(contrast, "rows_within", lambda bytes_per_row: 10**6 // bytes_per_row)
    monkeypatch.setattr(contrast, "contrast_of", lambda logits, *_: compared.append(len(logits)) or 1.0)
    fitted(epochs=1, contrast=True)
    assert 10 < compared[0] <= 10**6 / (8 * 4 * 784)


def test_the_logits_are_raised_by_that_factor_and_nothing_else_is():
    plain, raised = fitted(), fitted(contrast=True)
    changed = {
        name for name, array in plain.network.items() if not np.array_equal(array, raised.network[name])
    }
    assert changed == {"network.decoder.6.weight", "network.decoder.6.bias"}
    for name in changed:
        assert_close(raised.network[name], raised.contrast * plain.network[name], rtol=1e-6)
