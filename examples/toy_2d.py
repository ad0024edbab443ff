"""Diffusion of eight Gaussians in the plane, piece by piece: noise, learn to guess it, walk back."""

import itertools
from pathlib import Path

import jax
import numpy as np

from dima.data import plane
from dima.figures import png
from dima.figures.plane import snapshots
from dima.latent import toy
from dima.noise.schedule import path


def main(epochs: int = 100, points: int = 10_000) -> np.ndarray:
    data = jax.numpy.asarray(plane.points("eight-gaussians", points)) / 2
    chain = toy.Chain(path("linear", T=100, eps=0.0))

    # Forward: any step of the chain in one go.
    noise = jax.random.normal(jax.random.key(1), data.shape)
    half_way = chain.q_sample(data, np.full(len(data), 30), noise)

    # Learn to guess the noise from the noisy point and its time.
    network = toy.init_network(jax.random.key(0), d=2, hidden_dim=128)
    passes = toy.epochs(network, chain, data, batch_size=512, learning_rate=1e-3, seed=0)
    for trained, record in itertools.islice(passes, epochs):
        network = trained
        if record.step % 10 == 0:
            print(f"epoch {record.step:4d}   mean loss {record.loss:.4f}")

    # Backward: from pure noise, one step at a time; the last state holds the samples.
    states = toy.ancestral_sample(network, chain, n=2000, d=2, seed=2)
    shown = {"data": data, "half way to noise": half_way, "samples": states[-1]}
    Path("toy_2d.png").write_bytes(png(snapshots(shown)))
    return np.asarray(states[-1])


if __name__ == "__main__":
    main()
