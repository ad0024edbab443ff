"""`SimpleAutoencoder`: saved and opened, its channels, its precision, and broken input."""

import dataclasses

import numpy as np
import pytest
import torch

from close import assert_close
from dima import ImageAutoencoder, load, save
from dima.errors import ArtifactError, DataTypeError, SettingError, ShapeError
from dima.image.autoencoder.coder import Coder
from dima.image.diffusion_model import DiffusionModel
from dima.image.saved import save_network
from dima.image.simple_autoencoder import SimpleAutoencoder
from dima.image.train import named


def test_a_simple_autoencoder_is_read_again_and_as_a_model(tmp_path):
    torch.manual_seed(0)
    own = SimpleAutoencoder(latent_dim=5)
    assert own.encode(torch.zeros(1, 1, 28, 28).double()).shape == (1, 5)
    own.save_checkpoint(tmp_path / "features")
    x = torch.rand(2, 1, 28, 28)
    again = SimpleAutoencoder(latent_dim=5).load_checkpoint(tmp_path / "features")
    assert torch.equal(again.encode(x), own.encode(x))
    assert torch.equal(again.decode(own.encode(x)), own.decode(own.encode(x)))
    with pytest.raises(SettingError, match=r"must be of latent_dim 256; got latent_dim 5"):
        SimpleAutoencoder().load_checkpoint(tmp_path / "features")
    with pytest.raises(ArtifactError, match="must hold a saved diffusion-coder; got a image-autoencoder"):
        DiffusionModel(latent_dim=5).load_checkpoint(tmp_path / "features")


def test_a_simple_autoencoder_takes_over_the_channels_of_a_checkpoint(tmp_path):
    coder = Coder("conv", (1, 28, 28), 5, widths=(4, 6, 8)).eval()
    used = {"model": "conv", "latent_dim": 5}
    save_network(tmp_path / "small", "image-autoencoder", used, (1, 28, 28), named(coder))
    x = torch.rand(2, 1, 28, 28)
    again = SimpleAutoencoder(latent_dim=5).load_checkpoint(tmp_path / "small")
    assert torch.equal(again.encode(x), coder.encode(x))
    assert_close(load(tmp_path / "small").encode(x.numpy()), coder.encode(x).detach().numpy(), atol=1e-6)


def test_a_simple_autoencoder_stays_where_it_is_and_what_it_is_made_of(tmp_path):
    SimpleAutoencoder(latent_dim=5).save_checkpoint(tmp_path / "features")
    own = SimpleAutoencoder(latent_dim=5).double()
    held = [*own.parameters()]  # as an optimiser does
    own.load_checkpoint(tmp_path / "features")
    assert all(after is before for after, before in zip(own.parameters(), held, strict=True))
    assert own.encode(torch.zeros(1, 1, 28, 28)).dtype == torch.float64


def test_a_simple_autoencoder_refuses_other_pixels_arrays_and_no_latents(tmp_path):
    of_bytes = ImageAutoencoder("conv", latent_dim=5, epochs=1).fit(np.zeros((4, 1, 28, 28)))
    of_bytes.fit_ = dataclasses.replace(of_bytes.fit_, pixels="sigmoid")
    save(of_bytes, tmp_path / "bytes")
    with pytest.raises(SettingError, match="must be of pixels signed-sigmoid; got pixels sigmoid"):
        SimpleAutoencoder(latent_dim=5).load_checkpoint(tmp_path / "bytes")
    with pytest.raises(DataTypeError, match=r"decode: latents must be a tensor; got ndarray\. Pass torch"):
        SimpleAutoencoder(latent_dim=5).decode(np.zeros((1, 5)))
    with pytest.raises(ShapeError, match=r"latents must be of shape \(b, 5\); got \(1, 4\)"):
        SimpleAutoencoder(latent_dim=5).decode(torch.zeros(1, 4))
    with pytest.raises(SettingError, match=r"latent_dim must be positive; got 0\. Pass"):
        SimpleAutoencoder(latent_dim=0)
