"""Training an autoencoder: what the noise, the norm, the losses and the run folder do."""

import dataclasses

import numpy as np
import pytest
import torch

from close import assert_close
from dima.data.images import load
from dima.errors import SettingError
from dima.image.autoencoder import LOSSES, fit_autoencoder
from dima.image.autoencoder.sharpen import sharpen

IMAGES = load("fashion-mnist-1000").images[:256]
SETTINGS = {
    "model": "mlp",
    "latent_dim": 4,
    "loss": "bce",
    "epochs": 3,
    "batch_size": 32,
    "learning_rate": 2e-3,
    "code_noise": 0.05,
    "ema_decay": 0.9,
    "patience": None,
    "precision": "float32",
    "device": "cpu",
    "sharpen": False,
    "contrast": False,
    "seed": 0,
}


def fitted(**changes):
    return fit_autoencoder(SETTINGS | changes, IMAGES)


class StoppedError(Exception):
    pass


def _cut_short(coder, images, seed, run):
    def stop(now):
        raise StoppedError

    return sharpen(coder, images, seed, dataclasses.replace(run, watch=stop))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("model", ["mlp", "conv"])
def test_reconstructions_are_nearer_than_the_mean(model, loss):
    fit = fitted(model=model, loss=loss, epochs=16)
    rebuilt = fit.decode(fit.encode(IMAGES))
    spread = ((IMAGES - IMAGES.mean(axis=0)) ** 2).mean()
    assert rebuilt.shape == IMAGES.shape
    assert ((IMAGES - rebuilt) ** 2).mean() < 0.9 * spread
    assert -1 <= rebuilt.min() < -0.9


@pytest.mark.parametrize(("model", "batch_size", "rate"), [("mlp", 256, 0.002), ("conv", 128, 0.004)])
def test_what_is_not_given_is_what_suits_the_network_and_the_same_run(model, batch_size, rate, tmp_path):
    images = load("fashion-mnist-1000").images[:300]  # more than a batch
    open_, given = (
        SETTINGS | {"model": model, "epochs": 1, "batch_size": size, "learning_rate": each}
        for size, each in ((None, None), (batch_size, rate))
    )
    chosen = fit_autoencoder(open_, images, tmp_path / "run")
    np.testing.assert_array_equal(chosen.encode(images), fit_autoencoder(given, images).encode(images))
    fit_autoencoder(given, images, tmp_path / "run")  # is not refused
    with pytest.raises(SettingError, match="learning_rate"):
        fit_autoencoder(given | {"learning_rate": 0.003}, images, tmp_path / "run")


def test_encoding_leaves_the_global_draws_alone():
    fit = fitted(epochs=1)
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    fit.encode(IMAGES[:2])
    assert torch.equal(torch.rand(3), wanted)


def test_sharpening_stops_and_goes_on_to_the_same_bits_under_patience(tmp_path, monkeypatch):
    asked = SETTINGS | {"sharpen": True, "epochs": 1, "patience": 1}
    whole = fit_autoencoder(asked, IMAGES)
    with monkeypatch.context() as cut:
        cut.setattr("dima.image.autoencoder.fit.sharpen", _cut_short)
        with pytest.raises(StoppedError):
            fit_autoencoder(asked, IMAGES, tmp_path / "run")
    assert (tmp_path / "run" / "sharpen").is_dir()
    again = fit_autoencoder(asked, IMAGES, tmp_path / "run")
    for name, array in whole.network.items():
        np.testing.assert_array_equal(array, again.network[name])


def test_losses_are_those_of_their_formulas():
    logits, y = torch.tensor([0.0, 2.0, -1.0]), torch.tensor([0.2, 0.9, 0.0])
    p = 1 / (1 + np.exp(-logits.numpy()))
    error = p - y.numpy()
    wanted = {
        "bce": -(y.numpy() * np.log(p) + (1 - y.numpy()) * np.log(1 - p)).sum(),
        "mse": (error**2).sum(),
        "pseudo-huber": 0.01 * (np.sqrt(1 + (error / 0.1) ** 2) - 1).sum(),
    }
    for name, loss in LOSSES.items():
        assert_close(float(loss(logits, y)), wanted[name], atol=1e-6)


def test_codes_do_not_depend_on_the_batch():
    fit = fitted()
    codes = fit.encode(IMAGES)
    assert_close(fit.encode(IMAGES[5:6]), codes[5:6], atol=1e-5)
    assert codes.dtype == np.float32


def test_codes_have_unit_spread_by_the_running_norm():
    fit = fitted(epochs=12, code_noise=0.0)
    assert_close(fit.encode(IMAGES).std(axis=0), np.ones(4), atol=0.5)


def test_noise_on_the_codes_makes_near_codes_decode_alike():
    moved = []
    for noise in (0.0, 0.5):
        fit = fitted(epochs=10, code_noise=noise)
        codes = fit.encode(IMAGES)
        near = codes + 0.3 * np.random.default_rng(0).standard_normal(codes.shape).astype(np.float32)
        moved.append(float(((fit.decode(near) - fit.decode(codes)) ** 2).mean()))
    assert moved[1] < 0.8 * moved[0]


def test_equal_seeds_give_equal_bits_and_leave_the_global_ones_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    first = fitted()
    assert torch.equal(torch.rand(3), wanted)
    second, third = fitted(), fitted(seed=1)
    for name, array in first.network.items():
        np.testing.assert_array_equal(array, second.network[name])
    assert any(not np.array_equal(array, third.network[name]) for name, array in first.network.items())


def test_a_run_that_stops_at_an_epoch_goes_on_to_the_same_bits(tmp_path):
    def stop(fit, epoch):
        if epoch == 2:
            raise StoppedError

    whole = fit_autoencoder(SETTINGS, IMAGES)
    seen = []
    with pytest.raises(StoppedError):
        fit_autoencoder(SETTINGS, IMAGES, tmp_path / "run", stop)
    again = fit_autoencoder(SETTINGS, IMAGES, tmp_path / "run", lambda fit, epoch: seen.append(epoch))
    assert seen[-1] == 3
    for name, array in whole.network.items():
        np.testing.assert_array_equal(array, again.network[name])
    np.testing.assert_array_equal(whole.losses, again.losses)


def test_patience_keeps_rows_apart_and_may_stop():
    fit = fitted(patience=1, epochs=6, learning_rate=0.5)
    assert fit.losses[-1, 0] < 6 * 7
