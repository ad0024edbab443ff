"""Train the judges that come with dima (src/dima/image/judges) afresh, and say how good they are.

    DIMA_DATA=FOLDER python benchmarks/train_judges.py --out FOLDER

DIMA_DATA holds the IDX files of MNIST and Fashion-MNIST. The test set is looked at once, at the end. On one
thread and one machine the run is reproducible to the bit; other processors round otherwise, and give other
digests and about the same accuracy.
"""

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
import torch

from dima.data import images
from dima.image.judge import NETWORKS, Judge, fit_classifier
from dima.store.arrays import pack, unpack

EPOCHS = {"lenet": 8, "residual": 5}


def trained(network: str, data: str) -> bytes:
    shown = images.load(data, "train")
    judge = fit_classifier(shown.images, shown.labels, epochs=EPOCHS[network], network=network)
    return pack({name: array.astype(np.float16) for name, array in judge.arrays().items()})


def accuracy(network: str, data: str, stored: bytes) -> float:
    """Of the weights as they are stored, rounded to half precision."""
    weights = {name: torch.from_numpy(array).float() for name, array in unpack(stored, data).items()}
    held_out = images.load(data, "test")
    return float(np.mean(Judge(network, weights).classify(held_out.images) == held_out.labels))


def main(out: Path, chosen: list[str], sets: list[str]) -> None:
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    for data in sets:
        for network in chosen:
            began = time.perf_counter()
            stored = trained(network, data)
            seconds = time.perf_counter() - began
            (out / f"{network}-{data}.safetensors").write_bytes(stored)
            facts = f"{accuracy(network, data, stored):.4f}, {len(stored)} bytes, {seconds:.0f} s"
            print(f"{network} on {data}: {facts}, {hashlib.sha256(stored).hexdigest()}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--data", nargs="+", default=["mnist", "fashion-mnist"])
    given = parser.parse_args()
    main(given.out, given.networks, given.data)
