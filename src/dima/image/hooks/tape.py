"""Hooks on the features of a network: the network calls its tape at every site, the tape calls the hooks.

    touch = self.tape or leave
    h = touch("mid", h)

A tape stays on the network only within `with hooked(...)`. Without one, features pass through untouched.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from dima.errors import DataError, DataTypeError, NumericsError, SettingError, ShapeError

__all__ = ["Context", "Hook", "Hooked", "Tape", "hold_arguments", "hooked", "leave"]

_OWNER = "hooks"
# A hook's answer may have a root mean square of _GROWTH times (that of the features + _SMALL), no more.
_GROWTH = 1000.0
_SMALL = 0.01


class Context(NamedTuple):
    """Where in a call of the network a hook stands.

    Attributes:
        site: name of the place in the network.
        log_snr: (b,) noise levels lambda; None in a network that runs once.
        step: how often the network was run before, within this `with`; 0 at first.
        rows: which samples of the whole call these features belong to.
    """

    site: str
    log_snr: Tensor | None = None
    step: int = 0
    rows: slice = slice(None)


Hook = Callable[[Tensor, Context], Tensor]


class Hooked(Protocol):
    """What a network needs for `hooked`: the names of its sites, and a place for the tape."""

    tape: "Tape | None"

    @property
    def sites(self) -> Sequence[str]:
        """Names of the places where the network calls its tape."""


def leave(site: str, features: Tensor) -> Tensor:
    """The features themselves: what a network without a tape calls at a site."""
    return features


class Tape:
    """Calls the hook of a site on its features, checks the answer, and records what it was asked to.

    Args:
        sites: every site of the network.
        hooks: site -> hook; a site has one, and `Compose` makes one of several.
        record: sites whose features are kept in `seen`. Each pass of the network keeps as many bytes as
            the features have.

    Attributes:
        seen: recorded site -> features (b, ...) after the hook, one entry a pass, without gradients.

    Raises:
        SettingError: there is no such site, or a hook cannot be called.

    Example:
        >>> tape = Tape(["mid"], {"mid": lambda features, context: 2 * features}, record=["mid"])
        >>> tape("mid", torch.ones(1, 3)).tolist(), len(tape.seen["mid"])
        ([[2.0, 2.0, 2.0]], 1)
    """

    def __init__(self, sites: Sequence[str], hooks: Mapping[str, Hook], record: Sequence[str] = ()) -> None:
        _check_hooks(sites, hooks, record)
        self._hooks = dict(hooks)
        self._passes = 0
        self._now = Context("")
        self.seen: dict[str, list[Tensor]] = {site: [] for site in record}

    def begin(self, log_snr: Tensor | None = None, rows: slice = slice(None)) -> None:
        """Tell that a pass of the network begins, and the context it runs in."""
        self._now = Context("", log_snr, self._passes, rows)
        self._passes += 1

    def __call__(self, site: str, features: Tensor) -> Tensor:
        """Features (b, ...) after the hook of the site; the very same tensor where there is none.

        Raises:
            ShapeError: the hook's answer is of another shape.
            DataTypeError: it is no tensor, or of another dtype.
            DataError: it is on another device.
            NumericsError: it is not finite, or more than 1000 times as large as the features.
        """
        hook = self._hooks.get(site)
        answer = features if hook is None else _answer(hook, features, self._now._replace(site=site))
        if site in self.seen:
            # A copy: what the network does in place later would change the record.
            self.seen[site].append(answer.detach().clone())
        return answer


@contextmanager
def hooked(network: Hooked, hooks: Mapping[str, Hook], record: Sequence[str] = ()) -> Iterator[Tape]:
    """A tape on a network for as long as the block lasts, however it ends.

    A second one within the block is refused: which hook of a site ran first would depend on which block
    stands inside. `Compose` says it.

    Args:
        network: with its `sites` and a `tape`, None outside of such a block.
        hooks: site -> hook (features (b, ...), context) -> features of the same shape, dtype and device.
        record: sites whose features are kept in the tape's `seen`.

    Raises:
        SettingError: there is no such site, a hook cannot be called, or the network has hooks already.
    """
    if network.tape is not None:
        fix = "Put all hooks into one `with`, several of a site into Compose."
        raise SettingError(f"{_OWNER}: the network must be free of hooks; got one that has some. {fix}")
    tape = Tape(network.sites, hooks, record)
    network.tape = tape
    try:
        yield tape
    finally:
        network.tape = None


def _check_hooks(sites: Sequence[str], hooks: Any, record: Sequence[str]) -> None:
    if not isinstance(hooks, Mapping):
        got = type(hooks).__name__
        raise SettingError(f"{_OWNER}: hooks must be a dictionary, site -> function; got {got}.")
    for site in [*hooks, *record]:
        if site not in sites:
            raise SettingError(f"{_OWNER}: a site must be one of {', '.join(sites)}; got {site!r}.")
    for site, hook in hooks.items():
        if not callable(hook):
            rule, got = "a function (features, context) -> features", type(hook).__name__
            raise SettingError(f"{_OWNER}: the hook at {site!r} must be {rule}; got {got}.")
        hold_arguments(f"{_OWNER}: the hook at {site!r}", hook)


def hold_arguments(hook_name: str, hook: Callable[..., Any]) -> None:
    """Hold a hook to the arguments that it is called with.

    Raises:
        SettingError: it does not take features and context.
    """
    try:
        inspect.signature(hook).bind(None, None)
    except TypeError:
        rule, fix = "take (features, context)", "Write lambda features, context: ... for it."
        raise SettingError(f"{hook_name} must {rule}; got one that cannot. {fix}") from None
    except ValueError:  # a function of C may not tell what it takes
        return


def _answer(hook: Hook, features: Tensor, context: Context) -> Tensor:
    """What the hook makes of the features, held to their form and size."""
    # A copy: a hook that works in place must not reach what the network still needs, such as a skip.
    answer = hook(features.clone(), context)
    _check_form(context.site, answer, features)
    before, after = _root_mean_square(features), _root_mean_square(answer)
    owner = f"{_OWNER}: the answer at {context.site!r}"
    if not math.isfinite(after):
        raise NumericsError(f"{owner} must be finite; got NaN, inf or numbers too large to square.")
    if after > _GROWTH * (before + _SMALL):
        rule = f"at most {_GROWTH:g} times as large as the features"
        raise NumericsError(f"{owner} must be {rule}; got a size of {after:.3g} from {before:.3g}.")
    return answer


def _check_form(site: str, answer: Any, features: Tensor) -> None:
    owner = f"{_OWNER}: the answer at {site!r}"
    if not isinstance(answer, Tensor):
        got = "None" if answer is None else type(answer).__name__
        raise DataTypeError(f"{owner} must be a tensor; got {got}. Return the features.")
    if answer.shape != features.shape:
        raise ShapeError(f"{owner} must be of shape {tuple(features.shape)}; got {tuple(answer.shape)}.")
    if answer.device != features.device:
        fix = "Move it with .to(features)."
        raise DataError(f"{owner} must be on {features.device}; got {answer.device}. {fix}")
    if answer.dtype != features.dtype:
        fix = "Convert it with .to(features)."
        raise DataTypeError(f"{owner} must be of {features.dtype}; got {answer.dtype}. {fix}")


def _root_mean_square(values: Tensor) -> float:
    # NaN and infinity come through, so that one pass over memory tells them too.
    norm = torch.linalg.vector_norm(values.detach(), dtype=torch.promote_types(values.dtype, torch.float32))
    return float(norm) / math.sqrt(max(values.numel(), 1))
