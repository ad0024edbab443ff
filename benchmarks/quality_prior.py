"""Samples of the vector diffusion model, told from data or not, with its defaults.

    python benchmarks/quality_prior.py [--sets checkerboard digits] [--seeds 3] [--setting block=double]

Nine sets of points in the plane, 10,000 points each, and latents: of the digits of scikit-learn and, with
MNIST in the folder DIMA_DATA, of that (16 and 32 coordinates), by the manifold autoencoder. Figures are to
held-out points: sliced 2-Wasserstein distance of 2,000 samples over the floor, that of fresh real points;
accuracy of classifiers that tell 2,000 samples from real points (.5 cannot); for latents also p of the MMD
at 1,000, log-density of held-out points in nats beside a mixture of 50 Gaussians and a kernel density
estimate, and the distance of samples to the nearest training point over that of held-out points. The row
`mixture` draws from a Gaussian mixture chosen by BIC.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn import datasets
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

from dima.data import images, plane
from dima.latent.ddpm import DDPM
from dima.metrics import rows, two_sample
from dima.metrics.mixture import fit_mixture
from dima.model.manifold_autoencoder import ManifoldAutoencoder

N_PLANE, N_DRAWN, N_MMD, CUTS = 10_000, 2000, 1000, 10


def of_plane(name):
    def points(seed):
        found = plane.points(name, N_PLANE + 2 * CUTS * N_DRAWN, seed).astype(np.float64)
        return found[:N_PLANE], found[N_PLANE:]

    return points


def narrow(seed):
    """A Gaussian of correlation .95."""
    points = np.random.default_rng(seed).standard_normal((N_PLANE + 2 * CUTS * N_DRAWN, 2))
    points[:, 1] = 0.95 * points[:, 0] + (1 - 0.95**2) ** 0.5 * points[:, 1]
    return points[:N_PLANE], points[N_PLANE:]


def latents(read, d):
    def points(seed):
        X = read()
        order = np.random.default_rng(seed).permutation(len(X))
        cut = len(X) * 4 // 5
        train, held_out = X[order[:cut]], X[order[cut:]]
        model = ManifoldAutoencoder(d=d, prior=None).fit(train)
        # What a model trains its prior on: latents of training rows as if each had been new.
        _, as_new = model.fit_.autoencoder.training_codes(train)
        return model.fit_.scale.apply(as_new), model.transform(held_out)

    return points


def mnist():
    return images.load("mnist").images.reshape(60_000, -1)


def digits():
    return datasets.load_digits().data


SETS = {name: of_plane(name) for name in plane.PLANES}
SETS["narrow gaussian"] = narrow
LATENTS = {
    "digits, 16": latents(digits, 16),
    "mnist, 16": latents(mnist, 16),
    "mnist, 32": latents(mnist, 32),
}


def figures(drawn, held_out, seed):
    """Sliced W2 over the floor and C2ST of drawn points (CUTS n, d): a draw alone says little."""
    random, n = np.random.default_rng(seed), min(len(drawn) // CUTS, len(held_out) // 2)
    ratios, floors = [], []
    for cut in range(CUTS):
        order = random.permutation(len(held_out))
        real, other = held_out[order[:n]], held_out[order[n : 2 * n]]
        ratios.append(two_sample.sliced_w2(drawn[cut * n : (cut + 1) * n], real))
        floors.append(two_sample.sliced_w2(other, real))
    told = [two_sample.c2st(drawn[cut * n :][:n], held_out[:n], seed) for cut in range(2)]
    return {"W2/floor": np.mean(ratios) / np.mean(floors), "C2ST": np.mean(told)}


def more_figures(drawn, train, held_out, log_density, seed):
    n = min(N_MMD, len(held_out))
    return {
        "MMD p": two_sample.mmd(drawn[:n], held_out[:n], n_permutations=500, seed=seed)[1],
        "log p": log_density(held_out[:N_DRAWN]),
        "copies": rows.copy_ratio(drawn, train, held_out)[0],
    }


def kernel_density(train):
    few = train[:5000]
    search = GridSearchCV(KernelDensity(), {"bandwidth": np.geomspace(0.05, 1.0, 10)}, cv=3)
    best = search.fit(few).best_params_["bandwidth"]
    return lambda X: KernelDensity(bandwidth=best).fit(train).score(X) / len(X)


def ours(settings):
    def method(train, seed):
        prior = DDPM(seed=seed, **settings).fit(train)
        return lambda n: np.asarray(prior.sample(n, seed=seed), np.float64), prior.score

    return method


def in_any_order(mixture, seed):
    """Its draws, which scikit-learn sorts by component, and its log-density."""
    mixture.random_state = seed
    random = np.random.default_rng(seed)
    return lambda n: random.permutation(mixture.sample(n)[0]), mixture.score


def mixture(train, seed):
    return in_any_order(fit_mixture(train, seed), seed)


def fifty(train, seed):
    return in_any_order(GaussianMixture(50, reg_covar=1e-4, random_state=seed).fit(train), seed)


def density_alone(train, seed):
    return None, kernel_density(train)


METHODS = {"dima": ours({}), "mixture": mixture, "50 Gaussians": fifty, "kernel density": density_alone}
IN_PLANE = ("dima", "mixture")


def measured(points, methods, seed, *, is_latents):
    train, held_out = points(seed)
    many = CUTS * min(N_DRAWN, len(held_out) // 2)
    found = {} if is_latents else {"real": figures(held_out[-many:], held_out[:-many], seed)}
    for name, method in methods.items():
        began = time.perf_counter()
        draw, log_density = method(train, seed)
        seconds = time.perf_counter() - began
        if draw is None:
            found[name] = {"log p": log_density(held_out[:N_DRAWN]), "seconds": seconds}
            continue
        drawn = draw(many)
        found[name] = figures(drawn, held_out, seed)
        if is_latents:
            found[name] |= more_figures(drawn[:N_DRAWN], train, held_out, log_density, seed)
        found[name]["seconds"] = seconds
    return found


def show(name, runs):
    columns = list(dict.fromkeys(figure for run in runs for row in run.values() for figure in row))
    print(f"\n{name:24s}" + "".join(f"{column:>10s}" for column in columns))
    for method in runs[0]:
        values = [np.mean([run[method].get(column, np.nan) for run in runs]) for column in columns]
        print(f"    {method:20s}" + "".join(f"{value:10.3f}" for value in values), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=[*SETS, *LATENTS], default=[*SETS, *LATENTS])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE")
    asked = parser.parse_args()
    given = dict(each.split("=", 1) for each in asked.setting)
    given = {name: int(value) if value.isdigit() else value for name, value in given.items()}
    warnings.simplefilter("ignore")
    for name in asked.sets:
        is_latents = name in LATENTS
        known = METHODS | {"dima": ours(given)}
        methods = {method: known[method] for method in asked.methods if is_latents or method in IN_PLANE}
        points = (SETS | LATENTS)[name]
        runs = [measured(points, methods, seed, is_latents=is_latents) for seed in range(asked.seeds)]
        show(name, runs)


if __name__ == "__main__":
    main()
