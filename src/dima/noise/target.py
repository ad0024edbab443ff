"""What a network predicts, and the clean estimate D in terms of it: D = P x + Q F.

    target  F                        P                         Q
    eps     noise                    1 / alpha                 -sigma / alpha
    flow    noise - x_0              1 / (alpha+sigma)         -sigma / (alpha+sigma)
    edm     -v / root                alpha / (alpha^2+sigma^2) sigma / root,  root^2 = alpha^2+sigma^2
    x0      x_0                      0                         1
    v       alpha noise - sigma x_0  alpha / (alpha^2+sigma^2) -sigma / (alpha^2+sigma^2)

Plain operators only: NumPy, JAX and torch arrays all pass through. An unknown name raises SettingError.
Source: Salimans and Ho 2022, section 4 (v); the table: appendix D there.
"""

from collections.abc import Callable
from typing import Any

from dima.errors import SettingError

__all__ = ["TARGETS", "WEIGHTS", "clean", "estimate", "guided", "loss_weight", "predicted"]

_GAMMA = 5.0  # SNR above which a level gains no more weight

Answer = Callable[[Any, Any, Any, Any], Any]

_PREDICTED: dict[str, Answer] = {
    "v": lambda x0, noise, alpha, sigma: alpha * noise - sigma * x0,
    "eps": lambda x0, noise, alpha, sigma: noise,
    "x0": lambda x0, noise, alpha, sigma: x0,
    "flow": lambda x0, noise, alpha, sigma: noise - x0,
    "edm": lambda x0, noise, alpha, sigma: (sigma * x0 - alpha * noise) / (alpha**2 + sigma**2) ** 0.5,
}
_CLEAN: dict[str, Answer] = {
    "v": lambda x, F, alpha, sigma: (alpha * x - sigma * F) / (alpha**2 + sigma**2),
    "eps": lambda x, F, alpha, sigma: (x - sigma * F) / alpha,
    "x0": lambda x, F, alpha, sigma: F,
    "flow": lambda x, F, alpha, sigma: (x - sigma * F) / (alpha + sigma),
    "edm": lambda x, F, alpha, sigma: _CLEAN["v"](x, -F * (alpha**2 + sigma**2) ** 0.5, alpha, sigma),
}
TARGETS = tuple(_PREDICTED)
# Weight of the squared error of the clean estimate, by the SNR; "uniform" weighs the answers themselves.
WEIGHTS: dict[str, Callable[[Any], Any]] = {
    "uniform": lambda snr: 1.0,
    "min_snr": lambda snr: (snr + _GAMMA - abs(snr - _GAMMA)) / 2,
    "soft_min_snr": lambda snr: 1 / (1 / snr + 1 / _GAMMA),
    "elbo": lambda snr: snr,
}


def predicted(target: str, x0: Any, noise: Any, alpha: Any, sigma: Any) -> Any:
    """What a perfect network of this target answers for a clean `x0` and the `noise` added."""
    return _of("target", _PREDICTED, target)(x0, noise, alpha, sigma)


def clean(target: str, x: Any, F: Any, alpha: Any, sigma: Any) -> Any:
    """The clean estimate D from the network's answer `F` at the noisy `x`."""
    return _of("target", _CLEAN, target)(x, F, alpha, sigma)


def estimate(target: str, network: Callable[[Any], Any], x: Any, alpha: Any, sigma: Any) -> Any:
    """The clean estimate D at `x` of a `network` that answers states of unit variance only.

    Paths that do not keep the variance are the same up to the scale by which `x` is divided first.
    """
    scale = (alpha**2 + sigma**2) ** 0.5
    x = x / scale
    return clean(target, x, network(x), alpha / scale, sigma / scale)


def loss_weight(weight: str, target: str, alpha: Any, sigma: Any) -> Any:
    """Factor on the squared error of the network's answer that gives levels their named weight.

    "uniform" weighs answers alike. The others weigh the clean estimate, "elbo" by SNR (the bound for
    levels drawn evenly in lambda), "min_snr" by min(SNR, 5), "soft_min_snr" by 1 / (1/SNR + 1/5), and
    are carried over by Q^2. Sources: Kingma et al. 2021; Hang et al. 2023; Crowson et al. 2024.
    """
    weigh = _of("weight", WEIGHTS, weight)
    if weight == "uniform":
        return 1.0
    # Q is what an answer of one adds to the clean estimate.
    Q = clean(target, 0.0, 1.0, alpha, sigma)
    return weigh((alpha / sigma) ** 2) * Q**2


def guided(D: Any, D_free: Any, weight: float) -> Any:
    """Guidance: `weight` 1 is the conditioned D, 0 the free. Source: Ho and Salimans 2022, eq. 6."""
    return D_free + weight * (D - D_free)


def _of(role: str, registry: dict[str, Callable[..., Any]], name: str) -> Callable[..., Any]:
    if name not in registry:
        raise SettingError(f"noise: {role} must be one of {', '.join(registry)}; got {name!r}.")
    return registry[name]
