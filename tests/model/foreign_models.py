"""Autoencoders as other projects write them, their checkpoints, and what they give when run themselves."""

import argparse

import torch
from torch import nn


class Flat(nn.Module):
    """784-512-256-128-d and back, with other names, dropout between, and the decoder registered first."""

    def __init__(self, latent_dim=16):
        super().__init__()
        self.decode_net = nn.Sequential(
            *[nn.Linear(latent_dim, 128), nn.ReLU(), nn.Dropout(), nn.Linear(128, 256), nn.ReLU()],
            *[nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 784)],
        )
        self.fc1, self.fc2 = nn.Linear(784, 512), nn.Linear(512, 256)
        self.fc3, self.fc4 = nn.Linear(256, 128), nn.Linear(128, latent_dim)

    def encode(self, x):
        for layer in (self.fc1, self.fc2, self.fc3):
            x = torch.relu(layer(x.flatten(1)))
        return self.fc4(x)

    def decode(self, codes):
        return self.decode_net(codes).reshape(-1, 1, 28, 28)


class Convolved(nn.Module):
    """Three convolutions of any widths, and back through nearest interpolation."""

    def __init__(self, latent_dim=8, widths=(32, 64, 128)):
        super().__init__()
        a, b, c = widths
        self.encoder = nn.Sequential(
            *[nn.Conv2d(1, a, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(a, b, 3, stride=2, padding=1)],
            *[nn.ReLU(), nn.Conv2d(b, c, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten()],
            nn.Linear(16 * c, latent_dim),
        )
        self.decoder = nn.Sequential(
            *[nn.Linear(latent_dim, 16 * c), nn.ReLU(), nn.Unflatten(1, (c, 4, 4)), nn.Upsample(size=7)],
            *[nn.Conv2d(c, b, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2)],
            *[nn.Conv2d(b, a, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2)],
            nn.Conv2d(a, 1, 3, padding=1),
        )

    def encode(self, x):
        return self.encoder(x)

    def decode(self, codes):
        return self.decoder(codes)


def checkpoint(path, network, model, key="model", as_dict=False, **args):
    """A checkpoint as a training script writes it."""
    said = argparse.Namespace(model=model, lr=1e-3, **args)
    torch.save({key: network.state_dict(), "args": vars(said) if as_dict else said, "epoch": 3}, path)
    return path


def truth(network, images, pixels):
    """Codes, and images in [-1, 1], when the network itself is run; `pixels` is (output, low)."""
    output, low = pixels
    last = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "linear": lambda y: y}[output]
    with torch.no_grad():
        network.eval()
        given = torch.from_numpy(images)
        codes = network.encode(given if low == -1 else (given + 1) / 2)
        made = last(network.decode(codes))
        made = made if output == "tanh" or (output, low) == ("linear", -1) else 2 * made - 1
    return codes.numpy(), made.clamp(-1, 1).numpy()
