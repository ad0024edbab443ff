"""Speed and memory of the vector path beside the published `dima` 0.1.6, in turn, as ratios.

    python benchmarks/speed_vectors.py [--peer-python PATH] [--repeat 3]

PATH is the interpreter of the peer's own environment (benchmarks/peers/README.md); without it, our figures
stand alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent

# task, rows, columns, figure, whether more is better, what must hold
COMPARED = [
    ("fit", 20_000, 784, "seconds", False, "at most 1/3"),
    ("fit", 20_000, 784, "peak_mb", False, "below 1"),
    ("fit", 20_000, 784, "error", False, "a quality figure beside the speed"),
    ("asked", 20_000, 784, "seconds", False, "at most 1/3"),
    ("asked", 20_000, 784, "peak_mb", False, "below 1"),
    ("asked", 20_000, 784, "error", False, "a quality figure beside the speed"),
    ("train", 5_000, 32, "steps_per_second", True, "at least 2"),
]


def run(python: str, side: str, task: str, n: int, width: int) -> dict[str, float]:
    """One task in a fresh process."""
    command = [python, str(HERE / "sides.py"), side, task, str(n), str(width)]
    # Each side imports `dima` from its own environment, and from nowhere else.
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if side == "ours":
        surroundings = dict(os.environ)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=surroundings)
    return json.loads(done.stdout.splitlines()[-1])


def compare(peer_python: str, repeat: int) -> None:
    tasks = dict.fromkeys((task, n, width) for task, n, width, *_ in COMPARED)
    runs = {key: {"ours": [], "peer": []} for key in tasks}
    for _ in range(repeat):
        for key in runs:
            for side, python in (("ours", sys.executable), ("peer", peer_python)):
                runs[key][side].append(run(python, side, *key))
    print(f"{'figure':<44}{'ours':>12}{'peer':>12}{'ratio':>9}   must be")
    for task, n, width, figure, _, rule in COMPARED:
        ours, peer = (
            statistics.median(one[figure] for one in runs[task, n, width][side]) for side in ("ours", "peer")
        )
        name = f"{task} {n} x {width}: {figure}"
        print(f"{name:<44}{ours:>12.4g}{peer:>12.4g}{ours / peer:>9.3f}   {rule}")


def alone(repeat: int) -> None:
    """Figures without a rival: the quickstart, and the doors."""
    quick = [run(sys.executable, "ours", "quickstart", 5_000, 16)["seconds"] for _ in range(repeat)]
    print(f"quickstart 5000 x 16: {statistics.median(quick):.1f} s (at most 60)")
    doors = {
        "import dima": ([sys.executable, "-c", "import dima"], 0.3),
        "dima --help": ([sys.executable, "-c", "from dima.cli import main; main()", "--help"], 0.4),
    }
    for name, (command, most) in doors.items():
        seconds = []
        for _ in range(7):
            began = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            seconds.append(time.perf_counter() - began)
        print(f"{name}: {statistics.median(seconds):.2f} s (at most {most})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python")
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    print(f"processors: {os.cpu_count()}")
    alone(given.repeat)
    if given.peer_python:
        compare(given.peer_python, given.repeat)
    else:
        print("No --peer-python given: nothing to compare with.")
