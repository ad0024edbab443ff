"""Speed and memory of the manifold autoencoder, beside the published `dima` and UMAP's inverse transform.

    DIMA_DATA=FOLDER python benchmarks/speed_manifold.py [--peer-python PATH] [--umap-python PATH]
        [--parts mnist peer plane growth] [--largest 80000]

Each task runs in a process of its own, with defaults and no prior. `mnist`: 60,000 images; seconds by
stage, peak memory, new rows encoded and decoded a second, error over variance of 2,000 test images. `peer`:
30,000 images and 16 latents on both sides. `plane`: rows of digits decoded a second from two latents.
`growth`: generated rows of 64 columns on a 6-dimensional manifold, each time twice as many, and the slopes of
log seconds and log peak memory by log n over the last three.
"""

import argparse
import os
import sys

import numpy as np
from speed_vectors import run

PARTS = ("mnist", "peer", "plane", "growth")
FIRST = 10_000


def shown(name, figures):
    print(f"{name:<28}" + "  ".join(f"{key} {value:.4g}" for key, value in figures.items()), flush=True)


def growth(largest):
    sizes = [FIRST * 2**power for power in range(int(np.log2(largest / FIRST)) + 1)]
    found = []
    for n in sizes:
        figures = run(sys.executable, "ours", "fit", n, 64)
        shown(f"{n} x 64", figures)
        found.append(figures)
    last = slice(-3, None)
    for key in ("seconds", "peak_mb"):
        values = [figures[key] for figures in found]
        slope = np.polyfit(np.log(sizes[last]), np.log(values[last]), 1)[0]
        print(f"log {key} by log n: slope {slope:.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peer-python")
    parser.add_argument("--umap-python")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--largest", type=int, default=80_000)
    asked = parser.parse_args()
    print(f"processors: {os.cpu_count()}")
    if "mnist" in asked.parts:
        shown("MNIST, 60000 x 784", run(sys.executable, "ours", "mnist", 60_000, 0))
    if "peer" in asked.parts:
        shown("MNIST, 30000, d 16: ours", run(sys.executable, "ours", "mnist", 30_000, 16))
        if asked.peer_python:
            shown("MNIST, 30000, d 16: peer", run(asked.peer_python, "peer", "mnist", 30_000, 16))
    if "plane" in asked.parts:
        shown("digits, d 2: ours", run(sys.executable, "ours", "plane", 100, 2))
        if asked.umap_python:
            shown("digits, d 2: UMAP", run(asked.umap_python, "umap", "plane", 100, 2))
    if "growth" in asked.parts:
        growth(asked.largest)


if __name__ == "__main__":
    main()
