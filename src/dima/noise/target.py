"""What a network predicts, and the clean estimate D in terms of it: D = P x + Q F.

    target  F                        P                         Q
    eps     noise                    1 / alpha                 -sigma / alpha
    x0      x_0                      0                         1
    v       alpha noise - sigma x_0  alpha / (alpha^2+sigma^2) -sigma / (alpha^2+sigma^2)

Plain operators only: NumPy, JAX and torch arrays all pass through.
Source: Salimans and Ho 2022, section 4 (v); the table: appendix D there.
"""

from typing import Any

__all__ = ["TARGETS", "clean", "predicted"]

TARGETS = ("v", "eps", "x0")


def predicted(target: str, x0: Any, noise: Any, alpha: Any, sigma: Any) -> Any:
    """What a perfect network of this target answers for a clean `x0` and the `noise` added."""
    if target == "eps":
        return noise
    if target == "x0":
        return x0
    return alpha * noise - sigma * x0


def clean(target: str, x: Any, F: Any, alpha: Any, sigma: Any) -> Any:
    """The clean estimate D from the network's answer `F` at the noisy `x`."""
    if target == "eps":
        return (x - sigma * F) / alpha
    if target == "x0":
        return F
    return (alpha * x - sigma * F) / (alpha**2 + sigma**2)
