"""Diffusion autoencoders of digits: what the latent holds, edits, samples, certainty and counterfactuals.

    DIMA_DATA=FOLDER python benchmarks/quality_diffae.py MODELS [--modes joint frozen] [--seed 0]

MODELS is a folder with joint/model and frozen/model of `dima image fit-diffae`; one that is missing is
trained there first, with the settings below. Figures are of test images. The floor of a judge is the Frechet
distance of 10,000 training images to the 10,000 test images in its features; figures in floors are over that.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from dima import DiffusionAutoencoder, DiffusionCoder, load, save
from dima.data import images
from dima.explain.clue import clue
from dima.explain.directions import ClassShifts, linear_probe
from dima.explain.last_layer import BayesianLastLayer
from dima.metrics.calibration import expected_calibration_error
from dima.metrics.features import frechet
from dima.model.evaluate.images import shipped_judges

CODERS = {
    "joint": {"mode": "joint", "latent_dim": 16, "epochs": 9, "precision": "auto"},
    "frozen": {"mode": "frozen", "latent_dim": 256, "epochs": 3, "ae_epochs": 5},
}
PRIOR = {"n_iter": 10_000}
N = 10_000
EDITED = 500
TRIED = 100  # training images on which the confidence of edits is chosen
CONFIDENCES = (0.7, 0.9, 0.95, 0.98)
ENOUGH = 0.92  # share of the tried ones that flips at the confidence taken
DOUBTED = 200
LEVEL = 150  # of the prior's 1000 at which its clean estimate is asked, chosen on training images


def told(name, number, bar=""):
    print(f"{name:<58}{number:>12.4g}   {bar}", flush=True)


def trained(mode, folder, train, seed):
    """The model in the folder, fitted there first if there is none."""
    place = folder / mode / "model"
    if place.exists():
        return load(place)
    began = time.perf_counter()
    coder = DiffusionCoder(**CODERS[mode], seed=seed).fit(train, checkpoint=folder / mode / "run")
    model = DiffusionAutoencoder(coder, prior=PRIOR, seed=seed).fit(train)
    told(f"{mode}: seconds of training", time.perf_counter() - began, "25 min in all")
    save(model, place)
    return model


def error(a, b):
    """Mean squared error of pixels in [0, 1]."""
    return float(np.square((a - b) / 2).mean())


def latents_and_images(mode, model, train, test):
    Z, Z_test = model.encode(train.images), model.encode(test.images)
    told(f"{mode}: linear probe", linear_probe(Z, train.labels, Z_test, test.labels), "joint >= .97")
    told(f"{mode}: condition used", model.condition_used(test.images[:2000]), "joint >= 1.25")
    few = test.images[:200]
    noise = model.encode_noise(few)
    told(f"{mode}: MSE from latent and its noise", error(model.decode(Z_test[:200], noise), few), "<= 1e-4")
    told(f"{mode}: MSE from latent and new noise", error(model.decode(Z_test[:200]), few), "<= .02")
    again = model.fit_.autoencoder.encode_noise(model.decode(Z_test[:50], noise[:50]))
    told(f"{mode}: noise of the image from that noise, MSE", float(np.square(again - noise[:50]).mean()), "")
    return Z, Z_test


def samples(mode, model, judges, train, test):
    real = {name: judge.features(test.images) for name, judge in judges.items()}
    some = train.images[np.random.default_rng(0).permutation(len(train.images))[:N]]
    bars = {("samples", "lenet"): "<= 4"}
    drawn, rebuilt = model.sample(N), model.decode(model.encode(test.images))
    for name, judge in judges.items():
        floor = frechet(real[name], judge.features(some))
        for what, own in (("samples", drawn), ("from latents of test images", rebuilt)):
            ratio = frechet(real[name], judge.features(own)) / floor
            told(f"{mode}: FID of {what}, floors by {name}", ratio, bars.get((what, name), ""))


def edits(mode, model, judges, sets, Z):
    train, test = sets
    shifts = ClassShifts.of(Z[:N], train.labels[:N])
    classifier, eye = judges["residual"], judges["lenet"]

    def moved(images, labels, confidence):
        """The next digit for each, and the images moved to it until a classifier of their latents is sure."""
        wanted, latents, noise = (labels + 1) % 10, model.encode(images), model.encode_noise(images)
        ways = shifts.ways(latents, wanted)
        drawn = lambda moved, rows: model.encode(model.decode(moved, noise[rows]))  # noqa: E731 used once
        least = shifts.least(latents, ways, wanted, confidence, step=0.1, through=drawn)
        return wanted, model.decode(latents + least[:, None] * ways, noise)

    confidence = CONFIDENCES[-1]
    for sure in CONFIDENCES:
        wanted, tried = moved(train.images[:TRIED], train.labels[:TRIED], sure)
        if (classifier.classify(tried) == wanted).mean() >= ENOUGH:
            confidence = sure
            break
    own = test.images[:EDITED]
    wanted, changed = moved(own, test.labels[:EDITED], confidence)
    flipped = classifier.classify(changed) == wanted
    seen = eye.features(own)
    moved_by = np.linalg.norm(eye.features(changed) - seen, axis=1)
    nearest = np.empty(len(own))
    for label in range(10):
        rows = wanted == label
        those = NearestNeighbors(n_neighbors=1).fit(eye.features(train.images[train.labels == label]))
        nearest[rows] = those.kneighbors(seen[rows])[0][:, 0]
    told(f"{mode}: confidence of edits, chosen on training images", confidence)
    told(f"{mode}: edits that flip the classifier", flipped.mean(), ">= .90")
    told(f"{mode}: edits nearer than the nearest of the class", (moved_by < nearest).mean(), ">= .80")


def certainty(mode, model, judges, sets, codes, strange):
    (train, test), (Z, Z_test) = sets, codes
    tensors = [torch.from_numpy(array).float() for array in (Z, Z_test, strange)]
    known, asked, foreign = tensors
    layer = BayesianLastLayer(kernel="gaussian").fit(known[:N], torch.from_numpy(train.labels[:N]))
    told(
        f"{mode}: calibration error of the last layer",
        expected_calibration_error(layer.predict_proba(asked).numpy(), test.labels),
        "<= .02",
    )
    doubt = layer.entropy(asked)
    is_foreign = np.repeat([0, 1], [len(asked), len(foreign)])
    linear = BayesianLastLayer().fit(known[:N], torch.from_numpy(train.labels[:N]))
    for name, one in (("", layer), (" of a linear layer", linear)):
        both = torch.cat([one.entropy(asked), one.entropy(foreign)]).numpy()
        area = roc_auc_score(is_foreign, both)
        told(f"{mode}: AUROC of entropy{name}, digits against clothes", area, ">= .95")
    unsure = doubt.topk(DOUBTED).indices
    near = NearestNeighbors(n_neighbors=1).fit(Z)
    before = layer.entropy(asked[unsure])
    noise = model.encode_noise(test.images[unsure])
    drops, off = {}, {}
    for name, prior in (("plain", "none"), ("prior", lambda z: model.denoise(z, LEVEL))):
        found = clue(asked[unsure], layer.entropy, distance_weight=0.05, prior=prior, prior_weight=0.5)
        ends = found.z[:, 0]
        drops[name] = float((before - found.uncertainty[:, 0]).mean())
        off[name] = float(near.kneighbors(ends.numpy())[0].mean())
        classes = layer.predict_proba(ends).argmax(1).numpy()
        agreed = judges["residual"].classify(model.decode(ends.numpy(), noise)) == classes
        told(f"{mode}: CLUE, {name}: drop of entropy (nats)", drops[name])
        told(f"{mode}: CLUE, {name}: distance to the nearest training latent", off[name])
        told(f"{mode}: CLUE, {name}: second classifier agrees", agreed.mean(), "prior >= .90")
    told(f"{mode}: CLUE, drop of prior over plain", drops["prior"] / drops["plain"], ">= .80")
    told(f"{mode}: CLUE, distance of prior over plain", off["prior"] / off["plain"], "<= .7")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", type=Path)
    parser.add_argument("--modes", nargs="*", default=list(CODERS))
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    sets = train, test = images.load("mnist", "train"), images.load("mnist", "test")
    clothes = images.load("fashion-mnist", "test")
    judges = shipped_judges("mnist")
    for mode in asked.modes:
        model = trained(mode, asked.models, train.images, asked.seed)
        codes = latents_and_images(mode, model, train, test)
        certainty(mode, model, judges, sets, codes, model.encode(clothes.images))
        edits(mode, model, judges, sets, codes[0])
        samples(mode, model, judges, train, test)


if __name__ == "__main__":
    main()
