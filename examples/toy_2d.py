"""Diffusion of eight Gaussians in the plane, piece by piece: noise, learn to guess it, walk back."""

from pathlib import Path

import jax
import numpy as np

from dima import toy
from dima.data import plane
from dima.figures import png
from dima.figures.plane import snapshots


def main(epochs: int = 100, points: int = 10_000) -> np.ndarray:
    data = plane.points("eight-gaussians", points) / 2
    key_model, key_trainer, key_sampler, key_noise = jax.random.split(jax.random.key(0), 4)
    model = toy.DiffusionModel(input_dim=2, hidden_dim=128, output_dim=2, key=key_model)
    process = toy.DiffusionProcess(T=1000)

    # Forward: any step of the chain in one go.
    noised = process.q_sample(data, 100, jax.random.normal(key_noise, data.shape))

    # Learn to guess the noise from the noisy point and its step.
    trainer = toy.Trainer(model, process, data, key_trainer, learning_rate=5e-3)
    params = trainer.train(epochs)

    # Backward: from pure noise, one step at a time.
    samples = np.asarray(toy.Sampler(model, process, key_sampler).sample(params, 2000))
    shown = {"data": data, "noised to t = 100": noised, "samples": samples}
    Path("toy_2d.png").write_bytes(png(snapshots(shown)))
    return samples


if __name__ == "__main__":
    main()
