"""RePaint: ancestral sampling that goes back up now and then, so that free coordinates meet the known ones.

Where some coordinates are held to known values, the others learn of them only through the next clean
estimate. Noising a stretch anew and walking it down again lets the two agree.
Source: Lugmayr et al. 2022, "RePaint", section 4.2.
"""

from typing import Annotated

import numpy as np
from msgspec import Meta

from dima.noise.first_order import ddpm
from dima.noise.table import SolverTable, first_order
from dima.typing import Float64

__all__ = ["Repeats", "repaint"]

Repeats = Annotated[int, Meta(ge=1, description="times repaint walks each stretch of its grid")]
_STRETCH = 5  # grid steps


def repaint(alpha: Float64, sigma: Float64, *, repeats: Repeats = 5) -> SolverTable:
    """Ancestral sampling in stretches of five steps, each walked `repeats` times.

    The noise that carries a state back to the beginning of its stretch stands in the row before, so every
    row is still one evaluation.
    """
    plain, steps = ddpm(alpha, sigma), len(alpha) - 1
    stretches = np.split(np.arange(steps), range(_STRETCH, steps, _STRETCH))
    at = np.concatenate([np.tile(stretch, repeats) for stretch in stretches])
    to = np.append(at[1:], steps)  # the level that is evaluated next
    raised = alpha[to] / alpha[at + 1]
    kept, fresh = plain.M[at, 1, 1], plain.C[at]
    # On the way down `to` is the next level: nothing is raised and no noise added.
    added = np.sqrt(np.maximum(sigma[to] ** 2 - (raised * sigma[at + 1]) ** 2, 0.0))
    visited = np.append(at, steps)
    return first_order(
        f"repaint({repeats})", alpha[visited], sigma[visited], raised * kept, np.hypot(raised * fresh, added)
    )
