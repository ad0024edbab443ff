"""Speed of the latent diffusion model beside its rivals, in turn, and beside what its products alone take.

    python benchmarks/speed_prior.py [--peer-python PATH] [--rounds 5] [--steps 1000] [--trained 10000]

Training steps per second at 16 dimensions in batches of 256 at width 128, by `DDPM.fit`: beside the published
`dima` 0.1.6 (PATH is the interpreter of its own environment, benchmarks/peers/README.md; its network is
smaller, its noise levels are not shared), and beside PyTorch loops of our network and training, eager and
by torch.compile (`rival_prior.py`). Then drawing 10,000 points by 25 steps of DDIM beside the published
sampler of 200 steps, both trained `--trained` steps on 5,000 rows of a mixture of eight Gaussians, with the
sliced W2 to held-out rows over that of other rows of the mixture. Each side is a process that answers in
turn, so that rounds follow within seconds and compile once; what its first answer takes beyond the median
is told apart. Last, the arithmetic limit: the floating-point operations of a step over the measured speed
of its matrix products.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rival_prior import BATCH, SAMPLES, SHARE, WIDTH, D, difference, mixture

from dima.latent import ddpm_fit
from dima.metrics.two_sample import sliced_w2

HERE = Path(__file__).parent
ROWS = (5_000, 60_000)
BARS = {
    ("published", 5_000): "at least 3",
    ("published", 60_000): "at least 4",
    ("eager", 5_000): "at least 4",
    ("eager", 60_000): "at least 4",
}
DRAWING = {"ours": ["sample", "sample by 2M"], "published": ["sample", "sample kept"]}
TITLES = {"sample kept": ", compiled once", "sample by 2M": ", dpmpp_2m"}
LEVEL = 64  # width of the embedding of a noise level
PRODUCTS = 200  # times a product is timed


class Side:
    """A rival in a process of its own, asked a task at a time; between two it waits."""

    def __init__(self, name, python=sys.executable):
        # Each side imports `dima` from its own environment, and from nowhere else.
        is_own = python == sys.executable
        surroundings = {key: value for key, value in os.environ.items() if is_own or key != "PYTHONPATH"}
        self.name = name
        self.process = subprocess.Popen(
            [python, str(HERE / "rival_prior.py"), name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, bufsize=1, env=surroundings,
        )  # fmt: skip

    def ask(self, *task):
        try:
            self.process.stdin.write(json.dumps(task) + "\n")
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        return json.loads(answer) if answer else {"failed": "its process ended"}

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def in_turn(asked, rounds):
    """Seconds by name of `asked`, {name: () -> answer}, the first apart, or why a task failed."""
    first = {name: ask() for name, ask in asked.items()}
    able = [name for name, answer in first.items() if "failed" not in answer]
    later = {name: [] for name in able}
    for _ in range(rounds):
        for name in able:
            later[name].append(asked[name]()["seconds"])
    return first, later


def ratio(some, others):
    """Median over the rounds of what one took over what the other took."""
    return statistics.median(one / other for one, other in zip(some, others, strict=True))


def show(title, answer, seconds, figures):
    """Print a line of a table, or why there is none."""
    if "failed" in answer:
        print(f"{title:<30}  failed: {answer['failed']}")
        return
    middle = statistics.median(seconds)
    print(f"{title:<30}{figures(middle)}{figures(min(seconds))}{answer['seconds'] - middle:>10.1f}", end="")


def train(sides, rounds, steps):
    """Print the table of training; the median seconds of one of our steps at the fewest rows."""
    print(f"\n{'training steps per second':<30}{'median':>9}{'best':>9}{'first, s':>10}{'ours over':>11}")
    own = []
    for n in ROWS:
        asked = {side.name: (lambda side=side, n=n: side.ask("train", n, steps)) for side in sides}
        first, later = in_turn(asked, rounds)
        own.append(statistics.median(later["ours"]) / steps)
        for name, answer in first.items():
            show(f"{n} x {D}: {name}", answer, later.get(name), lambda seconds: f"{steps / seconds:>9.1f}")
            if name in later:
                print(f"{ratio(later[name], later['ours']):>11.2f}   {BARS.get((name, n), '')}")
    return own[0]


def sample(sides, rounds, trained):
    """Print the table of drawing; the published sampler as it is called, and with its step made once."""
    held_out = mixture(SAMPLES, seed=2)
    floor = sliced_w2(mixture(SAMPLES, seed=3), held_out)
    head = f"{f'seconds to draw {SAMPLES} x {D}':<30}{'median':>9}{'best':>9}{'first, s':>10}"
    print(f"\n{head}{'ours over':>11}{'W2, floors':>12}")
    with tempfile.TemporaryDirectory() as folder:
        asked = {
            (side.name, task): (
                lambda side=side, task=task: side.ask(
                    task, ROWS[0], trained, f"{folder}/{side.name} {task}.npy"
                )
            )
            for side in sides
            for task in DRAWING.get(side.name, [])
        }
        first, later = in_turn(asked, rounds)
        for (name, task), answer in first.items():
            title = name + TITLES.get(task, "")
            show(title, answer, later.get((name, task)), lambda seconds: f"{seconds:>9.3f}")
            if (name, task) in later:
                W2 = sliced_w2(np.load(f"{folder}/{name} {task}.npy"), held_out) / floor
                bar = "at most 1/6" if name == "published" else ""
                print(f"{ratio(later['ours', 'sample'], later[name, task]):>11.3f}{W2:>12.2f}   {bar}")


def layers():
    """(rows, in, out) of the products of a forward pass; the points of a level share its embedding."""
    levels = BATCH // SHARE
    blocks = [(BATCH, WIDTH, WIDTH)] * ddpm_fit._BLOCKS
    embedding = [(levels, LEVEL, LEVEL)] * 2 + [(levels, LEVEL, 2 * len(blocks) * WIDTH)]
    return [(BATCH, D, WIDTH), *blocks, *embedding, (BATCH, WIDTH, D)]


def fastest(work, times=PRODUCTS):
    """Least seconds of a call."""
    work()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def seconds_of_products(multiply, array):
    """Least seconds of the float32 products of a step: forward, to the input and to the weights."""
    rng, total = np.random.default_rng(0), 0.0
    for rows, fan_in, fan_out in layers():
        x, w, g = (
            array(rng.standard_normal(shape).astype(np.float32))
            for shape in ((rows, fan_in), (fan_in, fan_out), (rows, fan_out))
        )
        for left, right in ((x, w), (g, w.T), (x.T, g)):
            total += fastest(lambda left=left, right=right: multiply(left, right))
    return total


def limit(seconds_of_step):
    flops = 6 * sum(rows * fan_in * fan_out for rows, fan_in, fan_out in layers())
    product = jax.jit(jnp.matmul)
    ways = {
        "NumPy": (np.matmul, np.asarray),
        "JAX": (lambda left, right: product(left, right).block_until_ready(), jnp.asarray),
    }
    square = np.random.default_rng(0).standard_normal((2048, 2048)).astype(np.float32)
    print(f"\na step has {flops / 1e6:.1f} million floating-point operations and takes", end=" ")
    print(f"{1e6 * seconds_of_step:.0f} us: {flops / seconds_of_step / 1e9:.1f} Gflop/s")
    print(f"{'float32 products':<30}{'Gflop/s':>9}{'steps/s':>9}{'our share':>11}")
    for name, (multiply, array) in ways.items():
        whole = array(square)
        peak = fastest(lambda multiply=multiply, whole=whole: multiply(whole, whole), 5) / (2 * 2048**3)
        for title, least in (
            ("shapes of a step", seconds_of_products(multiply, array)),
            ("2048 x 2048", peak * flops),
        ):
            speeds = f"{flops / least / 1e9:>9.1f}{1 / least:>9.0f}{least / seconds_of_step:>11.2f}"
            print(f"{f'{title}, {name}':<30}{speeds}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peer-python")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1_000, help="training steps of a timed call")
    parser.add_argument("--trained", type=int, default=10_000, help="training steps before drawing")
    given = parser.parse_args()
    print(f"processors: {os.cpu_count()}; OMP_NUM_THREADS: {os.environ.get('OMP_NUM_THREADS', 'not set')}")
    sides = [Side("ours"), Side("eager"), Side("compiled")]
    if given.peer_python:
        sides.insert(1, Side("published", given.peer_python))
    else:
        print("published: not given (--peer-python)")
    step = train(sides, given.rounds, given.steps)
    sample(sides, given.rounds, given.trained)
    for side in sides:
        side.close()
    limit(step)
    print(f"our network and its PyTorch form differ by {difference():.1e} of the largest answer")
