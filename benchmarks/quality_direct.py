"""Direct decoders of digits: how near one evaluation of a network comes to the sampler it was distilled from.

    DIMA_DATA=FOLDER python benchmarks/quality_direct.py MODELS [--routes latent pixel] [--seed 0] [--quick]

MODELS is a folder with ROUTE/teacher and ROUTE/direct; one that is missing is trained there first. The floor
of a judge is the Frechet distance of 10,000 training images to the 10,000 test images in its features;
figures in floors are over that. All samplers start from equal noise. `--quick` shows that it runs, no more.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from dima import DirectModel, ImageAutoencoder, LatentDiffusion, PixelDiffusion, load, save
from dima.data import images
from dima.image.hooks import Toward, leave, shown
from dima.image.hooks.leverage import leverage
from dima.image.pixel import noise_of
from dima.latent.direct_fit import explained
from dima.metrics.features import frechet
from dima.model.direct import pairs_of
from dima.model.evaluate.images import shipped_judges

FULL = {"n": 10_000, "chain": 1000, "autoencoder": {}, "prior": {}, "direct": {}, "pixel": {}}
QUICK = {
    "n": 500,
    "chain": 50,
    "autoencoder": {"epochs": 1},
    "prior": {"n_iter": 200},
    "direct": {"n_pairs": 2000, "n_iter": 200},
    "pixel": {"epochs": 1, "pairs": 1000, "student_epochs": 1, "chain": 4},
}
SOLVER = {"solver": "dpmpp_2m", "steps": 20}
ONE_STEP = {"latent": "<= 1.5", "pixel": "<= 2"}  # FID over the teacher's
SAMPLES = 11  # seed of the samples that are judged; training and pairs have others


def told(name, number, bar=""):
    print(f"{name:<62}{number:>12.4g}   {bar}", flush=True)


def opened(place, make):
    """The model in a folder, made and saved there first if there is none."""
    if place.exists():
        return load(place)
    began = time.perf_counter()
    model = make()
    told(f"{place.parent.name}: seconds to make {place.name}", time.perf_counter() - began)
    place.parent.mkdir(parents=True, exist_ok=True)
    save(model, place)
    return model


def timed(draw):
    """What is drawn, and the seconds it took."""
    began = time.perf_counter()
    drawn = draw()
    return drawn, time.perf_counter() - began


def latent(folder, sets, judges, sizes, seed):
    n = sizes["n"]

    def teacher():
        autoencoder = ImageAutoencoder("mlp", latent_dim=16, seed=seed, **sizes["autoencoder"])
        return LatentDiffusion(autoencoder, prior=sizes["prior"], seed=seed).fit(sets[0].images)

    model = opened(folder / "latent" / "teacher", teacher)
    direct = opened(folder / "latent" / "direct", lambda: model.distilled(**sizes["direct"]))
    told("latent: R^2 on held-out pairs", direct.prior_.r2_, ">= .95")
    told("latent: level of the second step", direct.prior_.middle_)
    samplers = {
        "one step": lambda: direct.sample(n, steps=1, seed=SAMPLES, decode=False),
        "two steps": lambda: direct.sample(n, steps=2, seed=SAMPLES, decode=False),
        "teacher, dpmpp_2m": lambda: model.sample(n, seed=SAMPLES, decode=False, **SOLVER),
        "teacher, ancestral": lambda: model.sample(
            n, solver="ddpm", steps=sizes["chain"], seed=SAMPLES, decode=False
        ),
    }
    for name in ("one step", "two steps", "teacher, dpmpp_2m"):
        samplers[name]()  # compiled before it is timed; next to a whole chain that is nothing
    drawn = {name: timed(draw) for name, draw in samplers.items()}
    codes = {name: Z for name, (Z, _) in drawn.items()}
    told("latent: R^2 on the noise of the samples", explained(codes["one step"], codes["teacher, dpmpp_2m"]))
    pictures = {name: model.decode(Z) for name, Z in codes.items()}
    judged("latent", pictures, judges, sets)
    for name, (_, seconds) in drawn.items():
        told(f"latent: ms for {n} latents, {name}", 1e3 * seconds)
    for name in ("one step", "two steps"):
        for teacher_name, bar in (("teacher, dpmpp_2m", ""), ("teacher, ancestral", ">= 50")):
            ratio = drawn[teacher_name][1] / drawn[name][1]
            told(f"latent: time of {teacher_name} over {name}", ratio, bar)


def judged(route, pictures, judges, sets):
    """FID of each sampler's pictures in floors, and over that of the teacher's better sampler."""
    train, test = sets
    some = train.images[np.random.default_rng(0).permutation(len(train.images))[:10_000]]
    bars = {("one step", "lenet"): ONE_STEP[route], ("two steps", "lenet"): "<= 1.2"}
    for judge_name, judge in judges.items():
        real = judge.features(test.images)
        floor = frechet(real, judge.features(some))
        fid = {name: frechet(real, judge.features(own)) / floor for name, own in pictures.items()}
        for name, value in fid.items():
            told(f"{route}: FID of {name}, floors by {judge_name}", value)
        best = min(value for name, value in fid.items() if name.startswith("teacher"))
        for name in ("one step", "two steps"):
            bar = bars.get((name, judge_name), "")
            told(f"{route}: FID of {name} over the teacher's, by {judge_name}", fid[name] / best, bar)


def pixel(folder, sets, judges, sizes, seed):
    n, quick = sizes["n"], sizes["pixel"]

    def teacher():
        return PixelDiffusion(epochs=quick.get("epochs", 6), seed=seed).fit(sets[0].images)

    place = folder / "pixel"
    model = opened(place / "teacher", teacher)
    began = time.perf_counter()
    pairs = pairs_of(model, quick.get("pairs", 60_000), place / "pairs", steps=16, seed=seed)
    told("pixel: seconds of pairs (those missing)", time.perf_counter() - began, "<= 1800")

    def student():
        return DirectModel(epochs=quick.get("student_epochs", 3), learning_rate=2e-3, seed=seed).fit(
            model, pairs
        )

    direct = opened(place / "direct", student)
    told("pixel: R^2 on held-out pairs", direct.r2_, ">= .80")
    few = quick.get("chain", 50)  # images of the whole chain, which is dear
    samplers = {
        "one step": lambda: direct.sample(n, seed=SAMPLES),
        "two steps": lambda: direct.sample(n, steps=2, seed=SAMPLES),
        "teacher, dpmpp_2m": lambda: model.sample(n, steps=16, seed=SAMPLES),
    }
    drawn = {name: timed(draw) for name, draw in samplers.items()}
    _, chain = timed(lambda: model.sample(few, solver="ddpm", steps=sizes["chain"], seed=SAMPLES))
    judged("pixel", {name: own for name, (own, _) in drawn.items()}, judges, sets)
    each = {name: seconds / n for name, (_, seconds) in drawn.items()} | {"teacher, ancestral": chain / few}
    for name, seconds in each.items():
        told(f"pixel: ms an image, {name}", 1e3 * seconds)
    hooks(direct.network(), judges["residual"], min(n, 500))
    for name in ("one step", "two steps"):
        told(f"pixel: time of the whole chain over {name}", chain / few / each[name], ">= 50")


def hooks(network, judge, n):
    """How far images follow the features of donors, and what hooks cost where there are none."""
    draws = noise_of(SAMPLES, range(2 * n), network.image_shape)
    noise, donors = draws[:n], draws[n:]
    for name, value in leverage(network, noise, donors, ["mid", "skips", "mid + skips"]).items():
        told(f"pixel: leverage of {name}", value)
    goals = judge.classify(shown.images(network, donors, {}))
    features, skips = network.encoder(donors)
    donated = {"mid": features} | {f"skip.{i}": skip for i, skip in enumerate(skips)}
    followed, moved = [], []
    for strength in (0.25, 0.5, 0.75, 1.0):
        changed = {site: Toward(own, strength) for site, own in donated.items()}
        made = shown.images(network, noise, changed)
        followed.append((judge.classify(made) == goals).mean())
        moved.append(np.square(made - shown.images(network, noise, {})).mean())
    told("pixel: class of the donor after a swap of mid and skips", followed[-1], ">= .90")
    told(
        "pixel: strengths .25 to 1 move images ever further (1: yes)", float((np.diff(moved) > 0).all()), "1"
    )
    with torch.no_grad():
        _, seconds = timed(lambda: [network(noise[:64]) for _ in range(10)])
    _, calls = timed(lambda: [leave("mid", features) for _ in range(10_000)])
    told(
        "pixel: share of a pass that absent hooks cost", calls / 1000 * len(network.sites) / seconds, "< .01"
    )


ROUTES = {"latent": latent, "pixel": pixel}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", type=Path)
    parser.add_argument("--routes", nargs="*", choices=list(ROUTES), default=list(ROUTES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    sets = images.load("mnist", "train"), images.load("mnist", "test")
    models = asked.models / "quick" if asked.quick else asked.models  # a full run must not read these
    for route in asked.routes:
        sizes = QUICK if asked.quick else FULL
        ROUTES[route](models, sets, shipped_judges("mnist"), sizes, asked.seed)


if __name__ == "__main__":
    main()
