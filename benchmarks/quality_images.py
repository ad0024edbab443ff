"""Latent diffusion of digits: reconstructions and samples by two judges, in floors, beside their rivals.

    DIMA_DATA=FOLDER python benchmarks/quality_images.py [--models mlp conv] [--seeds 0] [--figures]

The floor of a judge is the Frechet distance of 10,000 training images to the 10,000 test images in its
features; figures in floors are distances over that. The rival of the prior is a Gaussian mixture of 50
components on the same latents, the rivals of the autoencoders are PCA and the diffusion map at d = 16.
With --figures the whole table of `dima image evaluate` is printed for each model.
"""

import argparse
import time

import numpy as np
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from dima import DMAP, GPLM, ImageAutoencoder, LatentDiffusion
from dima.data.images import load
from dima.metrics.features import frechet
from dima.model.evaluate.images import COLUMNS, both_labels, evaluate_images, shipped_judges, summary
from dima.model.manifold_map import ManifoldMap

AUTOENCODERS = {
    "mlp": {"model": "mlp", "epochs": 100},
    "conv": {"model": "conv", "epochs": 40, "precision": "bfloat16"},
}
PRIOR = {"n_iter": 32_000, "batch_size": 512, "learning_rate": 2e-3}
# Of 30, 20 and 15 steps the last are nearest to training images that neither part has learnt from.
SAMPLING = {"solver": "dpmpp_2m", "steps": 15, "spacing": "karras"}
N = 10_000
MAP_ROWS = 20_000  # training rows of the diffusion map


class Scale:
    """Distances of images to the test images, in floors, by each judge."""

    def __init__(self, train, test):
        self.judges = shipped_judges("mnist")
        self.real = {name: judge.features(test) for name, judge in self.judges.items()}
        some = train[np.random.default_rng(0).permutation(len(train))[:N]]
        self.floors = {
            name: frechet(self.real[name], judge.features(some)) for name, judge in self.judges.items()
        }

    def floors_of(self, images):
        images = np.clip(images, -1, 1).astype(np.float32)
        return [
            frechet(self.real[name], judge.features(images)) / self.floors[name]
            for name, judge in self.judges.items()
        ]


def told(name, seconds, *numbers):
    print(f"{name:<42}{seconds:>8.0f} s " + "".join(f"{number:>12.4g}" for number in numbers), flush=True)


def reconstructions(scale, name, autoencoder, train, test):
    began = time.perf_counter()
    flat = lambda images: images.reshape(len(images), -1)  # noqa: E731 used here alone
    model = LatentDiffusion(autoencoder, prior=None).fit(train)
    seconds = time.perf_counter() - began
    rebuilt = model.decode(model.encode(test))
    told(name, seconds, ((flat(rebuilt) - flat(test)) ** 2).mean() / 4, *scale.floors_of(rebuilt))
    return model.fit_.autoencoder


def samples(scale, name, autoencoder, sets, *, figures, seed):
    train, test = sets
    began = time.perf_counter()
    model = LatentDiffusion(autoencoder, prior=PRIOR, seed=seed).fit(train.images)
    told(
        f"{name}, prior",
        time.perf_counter() - began,
        *scale.floors_of(model.sample(N, seed=seed, **SAMPLING)),
    )
    began = time.perf_counter()
    Z = model.encode(train.images)
    mixture = GaussianMixture(50, random_state=seed).fit(Z)
    told(
        f"{name}, mixture", time.perf_counter() - began, *scale.floors_of(model.decode(mixture.sample(N)[0]))
    )
    model.sample(64, steps=50)
    began = time.perf_counter()
    model.sample(64, steps=50)
    print(f"64 images in 50 DDIM steps: {time.perf_counter() - began:.2f} s")
    if figures:
        labels = both_labels(train, test)
        judged = {"judges": scale.judges, "labels": labels, "seed": seed}
        for row in (
            COLUMNS,
            *summary(evaluate_images(model, train.images, test.images, **judged, **SAMPLING)),
        ):
            print("".join(f"{cell:<34}" if at == 0 else f"{cell:>12}" for at, cell in enumerate(row)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="*", default=list(AUTOENCODERS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--sharpen", action="store_true", help="sharpen the decoders")
    parser.add_argument(
        "--rivals", action="store_true", help="PCA and the diffusion map beside the autoencoders"
    )
    parser.add_argument("--figures", action="store_true", help="print the whole table of each model")
    asked = parser.parse_args()
    train, test = load("mnist", "train"), load("mnist", "test")
    scale = Scale(train.images, test.images)
    print("floors:", {name: round(floor, 3) for name, floor in scale.floors.items()})
    print(
        f"{'reconstructions: MSE, then floors by':<52}{'MSE':>12}"
        + "".join(f"{name:>12}" for name in scale.judges)
    )
    if asked.rivals:
        reconstructions(scale, "PCA", PCA(16), train.images, test.images)
        few = train.images[:MAP_ROWS]
        reconstructions(scale, "diffusion map", ManifoldMap(DMAP(d=16), GPLM()), few, test.images)
    for seed in asked.seeds:
        for name in asked.models:
            settings = AUTOENCODERS[name] | {"sharpen": asked.sharpen, "seed": seed}
            label = f"{name}, seed {seed}{', sharpened' if asked.sharpen else ''}"
            autoencoder = reconstructions(
                scale, label, ImageAutoencoder(**settings), train.images, test.images
            )
            samples(scale, label, autoencoder, (train, test), figures=asked.figures, seed=seed)


if __name__ == "__main__":
    main()
