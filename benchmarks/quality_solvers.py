"""Solvers on denoisers known in closed form, and `refine` on noise of a known spread; each beside its bar.

    python benchmarks/quality_solvers.py [--parts order draws linspace refine]

order: slope of the error at the end against the number of steps, log to log, on a Gaussian mixture in the
plane; the exact end is SciPy's (DOP853, 1e-12). The path keeps the variance and is walked from lambda =
log(alpha / sigma) = -7 to 3, evenly in lambda: the step that the solvers are of their order in.
draws: sliced W2 of 20 evaluations of dpmpp_2m to fresh samples of the mixture over that of other fresh ones,
2,000 points, mean of 10, on the path of `DDPM()` (cosine, T = 200) and spacings of `sample`.
linspace: DDIM on a linspace grid beside diffusers, error to the flow of a Gaussian from T to the clean level.
refine: error of `DDPM().fit(20,000 points).refine` over the Bayes risk, that of the posterior mean, and over
that of points as they are. `level` starts at the level of the noise without adding any, `10` is the default,
`exact` is `auto` with the posterior mean of the mixture in place of the network's clean estimates.
"""

import argparse
import dataclasses
import time
import warnings

import numpy as np
import torch
from diffusers import DDIMScheduler
from scipy.integrate import solve_ivp
from scipy.special import softmax

from dima.latent.ddpm import DDPM
from dima.latent.ddpm_fit import path_of
from dima.metrics import two_sample
from dima.noise import grid, sampling, schedule
from dima.noise import solver as solvers

ORDERS = {"ddim": 1, "dpmpp_2m": 2, "heun": 2, "dpmpp_3m": 3}
COUNTS = [40, 80, 160, 320]
N_DRAWN, CUTS, EVALUATIONS = 2000, 10, 20
N_TRAIN, N_NOISY = 20_000, 20_000


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Gaussians of means (k, d), covariances (k, d, d) and shares (k,)."""

    means: np.ndarray
    covariances: np.ndarray
    shares: np.ndarray

    def draw(self, n, random):
        roots, which = np.linalg.cholesky(self.covariances), random.choice(len(self.shares), n, p=self.shares)
        off = np.einsum("nij,nj->ni", roots[which], random.standard_normal((n, self.means.shape[1])))
        return self.means[which] + off

    def posterior_mean(self, y, noise):
        """E[z | z + noise e = y] (n, d) for noise of one spread, or one for each axis."""
        noised = self.covariances + np.square(noise) * np.eye(self.means.shape[1])
        inverse, off = np.linalg.inv(noised), y - self.means[:, None]
        gone = off @ inverse  # (k, n, d)
        logs = np.log(self.shares) - 0.5 * np.linalg.slogdet(noised)[1]
        shares = softmax(logs[:, None] - 0.5 * (gone * off).sum(axis=2), axis=0)
        return (shares[:, :, None] * (self.means[:, None] + gone @ self.covariances)).sum(axis=0)

    def denoise(self, x, alpha, sigma):
        return self.posterior_mean(x / alpha, sigma / alpha)


def mixture(d, k, seed=0):
    """Of k Gaussians, each longer in some directions than in others, in coordinates of variance one."""
    random = np.random.default_rng(seed)
    means, shares = random.standard_normal((k, d)), random.dirichlet(np.full(k, 5.0))
    turns = np.linalg.qr(random.standard_normal((k, d, d)))[0]
    roots = turns * random.uniform(0.1, 0.5, (k, 1, d))
    covariances = roots @ roots.swapaxes(1, 2)
    means -= shares @ means
    spread = np.sqrt(shares @ (means**2 + np.diagonal(covariances, axis1=1, axis2=2)))
    return Mixture(means / spread, covariances / np.outer(spread, spread), shares)


def walked(table, denoise, x):
    return solvers.walk(
        table, lambda x, i: denoise(x, table.alpha[i], table.sigma[i]), x, np.zeros((table.steps, 1))
    )


def verdict(found, holds, bar):
    return f"{found:10.3f}   {bar:14s}{'' if holds else '  MISSED'}"


def order():
    """Slopes of the error at the end."""
    mix, (first, last) = mixture(2, 5), (-7.0, 3.0)
    x = np.random.default_rng(1).standard_normal((200, 2))

    def levels(lam):
        return 1 / np.hypot(1, np.exp(-lam)), 1 / np.hypot(1, np.exp(lam))

    def flow(lam, y):
        y = y.reshape(x.shape)
        return (mix.posterior_mean(y, np.exp(-lam)) - y).ravel()

    # In y = x / alpha the flow is dy / dlambda = D - y.
    start, end = levels(first)[0], levels(last)[0]
    flowed = solve_ivp(flow, (first, last), (x / start).ravel(), method="DOP853", rtol=1e-12, atol=1e-12)
    exact = end * flowed.y[:, -1].reshape(x.shape)
    print(f"\norder, steps {COUNTS}\n    {'solver':20s}{'slope':>10s}   {'must be':14s}  errors")
    for name, expected in ORDERS.items():
        tables = [solvers.build(name, *levels(np.linspace(first, last, count + 1))) for count in COUNTS]
        errors = [np.sqrt(np.square(walked(table, mix.denoise, x) - exact).mean()) for table in tables]
        slope = -np.polyfit(np.log(COUNTS), np.log(errors), 1)[0]
        beside = verdict(slope, abs(slope - expected) <= 0.25, f"{expected} +- .25")
        print(f"    {name:20s}{beside}  {' '.join(f'{error:.1e}' for error in errors)}", flush=True)


def draws():
    """Sliced W2 over the floor."""
    path = path_of(DDPM().get_params())
    print(f"\ndraws\n    {'mixture, spacing':20s}{'W2/floor':>10s}   {'must be':14s}")
    for d, k in ((2, 5), (16, 8)):
        mix, random = mixture(d, k), np.random.default_rng(1)
        fresh = [mix.draw(N_DRAWN, random) for _ in range(2 * CUTS)]
        floor = np.mean([two_sample.sliced_w2(*pair) for pair in zip(fresh[::2], fresh[1::2], strict=True)])
        for spacing in (*grid.SPACINGS, "karras"):
            table = sampling.table(path, solver="dpmpp_2m", steps=EVALUATIONS, spacing=spacing)
            noise = random.standard_normal((CUTS, N_DRAWN, d)) * table.start_std
            drawn = [walked(table, mix.denoise, x) for x in noise]
            found = np.mean([two_sample.sliced_w2(*pair) for pair in zip(drawn, fresh[::2], strict=True)])
            print(f"    {f'd = {d}, {spacing}':20s}" + verdict(found / floor, found <= 1.1 * floor, "1.1"))


def diffusers_ddim(path, steps, denoise, x):
    theirs = DDIMScheduler(path.T, clip_sample=False, prediction_type="sample", timestep_spacing="linspace")
    theirs.alphas_cumprod = torch.as_tensor(path.alpha[1:] ** 2)  # ours, in float64
    theirs.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    theirs.set_timesteps(steps)
    x = torch.as_tensor(x)
    for t in theirs.timesteps:
        x = theirs.step(denoise(x, path.alpha[t + 1], path.sigma[t + 1]), t, x).prev_sample
    return x.numpy()


def linspace():
    """Errors to the flow of N(0, 1/4) of DDIM on the linspace grid, ours and diffusers'."""
    path, variance, x = schedule.path("linear", 1000), 0.25, np.linspace(-2, 2, 9)

    def denoise(x, alpha, sigma):
        return x * alpha * variance / (alpha**2 * variance + sigma**2)

    # The flow of a Gaussian scales: a point stays as many standard deviations out.
    exact = x * np.sqrt(variance / (path.alpha[-1] ** 2 * variance + path.sigma[-1] ** 2))
    print(f"\nlinspace\n    {'steps of 1000':20s}{'theirs/ours':>10s}   {'must be':14s}  ours, diffusers")
    for steps in (30, 100, 300, 600, 700, 900):
        table = solvers.build("ddim", *grid.levels(path, steps, "linspace"))
        ours = np.abs(walked(table, denoise, x) - exact).max()
        theirs = np.abs(diffusers_ddim(path, steps, denoise, x) - exact).max()
        bar = "at least 10" if steps >= 600 else ""
        beside = verdict(theirs / ours, not bar or theirs >= 10 * ours, bar)
        print(f"    {steps:<20d}{beside}  {ours:.1e} {theirs:.1e}")


def noises(d):
    random = np.random.default_rng(3)
    alike = {f"{s:g}": np.full(d, s) for s in (0.1, 0.3, 1.0)}
    return alike | {"by axis, .05 to 1": np.exp(random.permutation(np.linspace(np.log(0.05), 0, d)))}


def matching_level(prior, noise):
    """The level of noise of that root mean square, in standardised coordinates."""
    ratio = np.sqrt(np.square(noise / prior.fit_.scale.unit).mean())
    return int(np.abs(path_of(prior.fit_.settings).log_snr[1:-1] + np.log(ratio)).argmin()) + 1


class ExactFit:
    """A fitted prior whose clean estimates are the mixture's own."""

    def __init__(self, fit, mix):
        self.fit, self.mix, self.settings, self.scale = fit, mix, fit.settings, fit.scale

    def walk(self, table, n, seed, start=None):
        if start is None:
            return self.mix.draw(n, np.random.default_rng(seed))
        unit, center = self.scale.unit, self.scale.center
        y = start[0] / table.alpha[0] * unit + center
        return self.mix.posterior_mean(y, table.sigma[0] / table.alpha[0] * unit)


def refine():
    """Errors over the Bayes risk."""
    columns = ["auto/none", "level/Bayes", "10/Bayes", "none/Bayes", "exact/Bayes"]
    for d, k in ((2, 5), (16, 8)):
        mix, random = mixture(d, k), np.random.default_rng(2)
        began = time.perf_counter()
        prior = DDPM().fit(mix.draw(N_TRAIN, random))
        seconds = time.perf_counter() - began
        exact = DDPM()
        exact.fit_ = ExactFit(prior.fit_, mix)
        head = f"refine, d = {d} ({seconds:.0f} s)"
        print(f"\n{head:24s}{'auto/Bayes':>10s}   {'must be':14s}" + "".join(f"{c:>13s}" for c in columns))
        for title, noise in noises(d).items():
            clean = mix.draw(N_NOISY, random)
            noisy = clean + noise * random.standard_normal(clean.shape)
            found = {
                "none": noisy,
                "Bayes": mix.posterior_mean(noisy, noise),
                "auto": prior.refine(noisy, "auto", noise=noise),
                "level": prior.refine(noisy, matching_level(prior, noise), add_noise=False),
                "10": prior.refine(noisy),
                "exact": exact.refine(noisy, "auto", noise=noise),
            }
            error = {name: np.square(points - clean).mean() for name, points in found.items()}
            over = [error[a] / error[b] for a, b in (column.split("/") for column in columns)]
            ratio = error["auto"] / error["Bayes"]
            beside = verdict(ratio, ratio <= 1.05 and over[0] <= 1, "1.05, none 1")
            print(f"    {title:20s}{beside}" + "".join(f"{value:13.3f}" for value in over), flush=True)


PARTS = {part.__name__: part for part in (order, draws, linspace, refine)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    warnings.simplefilter("ignore")
    for part in parser.parse_args().parts:
        PARTS[part]()


if __name__ == "__main__":
    main()
