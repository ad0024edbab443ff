"""Models of pixels after ten minutes of training: ours beside a public package, by two judges, in floors.

    DIMA_DATA=FOLDER python benchmarks/quality_pixels.py --rival-python PATH [--seconds 600]

PATH is the interpreter of an environment with denoising-diffusion-pytorch (see `rival_images.py`). One floor
is the Frechet distance of 1,000 training images of MNIST to the 10,000 test images, in a judge's features.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from dima import PixelDiffusion
from dima.data.images import load
from dima.metrics.features import frechet
from dima.model.evaluate.images import shipped_judges

HERE = Path(__file__).parent
DRAWN = 1000
REHEARSED = 6400  # images that tell how many epochs there is time for


def ours(images, seconds):
    """1,000 images drawn after whole epochs in the time, images trained on and drawn a second."""
    settings = {"precision": "bfloat16", "seed": 0}
    began = time.perf_counter()
    PixelDiffusion(**settings, epochs=1).fit(images[:REHEARSED])
    epochs = max(1, int(seconds / (time.perf_counter() - began) * REHEARSED / len(images)))
    began = time.perf_counter()
    model = PixelDiffusion(**settings, epochs=epochs).fit(images)
    trained = epochs * len(images) / (time.perf_counter() - began)
    began = time.perf_counter()
    return model.sample(DRAWN), trained, DRAWN / (time.perf_counter() - began)


def rival(python, images, seconds):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "given.npy", images)
        command = [python, str(HERE / "rival_images.py"), name, str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        return np.load(folder / "found.npy"), told["images_per_second"], told["drawn_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rival-python")
    parser.add_argument("--seconds", type=float, default=600)
    asked = parser.parse_args()
    train, test = load("mnist", "train").images, load("mnist", "test").images
    judges = shipped_judges("mnist")
    real = {name: judge.features(test) for name, judge in judges.items()}
    some = train[np.random.default_rng(0).permutation(len(train))[:DRAWN]]
    floors = {name: frechet(real[name], judge.features(some)) for name, judge in judges.items()}
    print("floors:", {name: round(floor, 3) for name, floor in floors.items()}, flush=True)
    print(f"{'model':<12}{'trained/s':>12}{'drawn/s':>12}" + "".join(f"{name:>12}" for name in judges))
    sides = {"dima": lambda: ours(train, asked.seconds)}
    if asked.rival_python:
        sides["lucidrains"] = lambda: rival(asked.rival_python, train, asked.seconds)
    for name, side in sides.items():
        drawn, *rates = side()
        images = np.clip(drawn, -1, 1).astype(np.float32)
        ratios = [frechet(real[judge], judges[judge].features(images)) / floors[judge] for judge in judges]
        print(f"{name:<12}" + "".join(f"{number:>12.4g}" for number in (*rates, *ratios)), flush=True)


if __name__ == "__main__":
    main()
