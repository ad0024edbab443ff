"""Early stopping: how long the held-out loss may go without improving."""

import dataclasses
import math

__all__ = ["Patience"]


@dataclasses.dataclass(frozen=True)
class Patience:
    """Held-out losses seen so far, reduced to what decides whether to go on.

    Attributes:
        limit: checks in a row without improvement after which to stop; None never stops.
        best: the least loss seen.
        waited: checks since then.

    Example:
        >>> patience = Patience(2)
        >>> for loss in (3.0, 1.0, 2.0, 2.0):
        ...     patience = patience.after(loss)
        >>> patience.is_over, patience.best
        (True, 1.0)
    """

    limit: int | None
    best: float = math.inf
    waited: int = 0

    def after(self, loss: float) -> "Patience":
        """The same with one more loss; one that is no number is no improvement."""
        if loss < self.best:
            return dataclasses.replace(self, best=loss, waited=0)
        return dataclasses.replace(self, waited=self.waited + 1)

    @property
    def is_over(self) -> bool:
        """Whether to stop."""
        return self.limit is not None and self.waited >= self.limit
