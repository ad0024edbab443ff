"""Exact influence of training points on a vector diffusion model: the derivative through its whole training.

    score_qi = - dL_q / dw_i at w = 1,      training loss of a batch = mean of w_i |error_i|^2

L_q is the loss of query q under the averaged network at the end. Training is deterministic, so that its
reverse-mode derivative can pass through every step: clipping, Adam and the average. States are stored at
the ends of about sqrt(n_iter) segments and computed again inside one. Sources: Maclaurin, Duvenaud and
Adams 2015, arXiv 1502.03492; Engstrom et al. 2025, arXiv 2503.13751 (MAGIC).
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dima import check
from dima.blocks import BLOCK_BYTES, row_blocks, rows_within
from dima.errors import DataError, NumericsError, SettingError
from dima.latent import border, ddpm_fit, objective, train
from dima.latent.ddpm_fit import DDPMFit
from dima.latent.denoiser import Parameters
from dima.scaling import Standardizer
from dima.typing import Array, ArrayLike

__all__ = ["Unrolled", "engine_of", "query_key", "unrolled_scores"]

_SMOOTH = 1e-10  # below, training is no smooth function of its points
_QUERY = 2**31 - 1  # a step no training reaches: its draws are those of the queries
_ROUNDING = 1e-4  # units, and share of the mean, within which moments of equal points differ
_DRIFT = 0.02  # share of its whole way by which rounding may lead a training astray that is run again
_STATES = 4  # arrays of the size of the network in a state: itself, its average, two moments


def engine_of(fit: DDPMFit, points: ArrayLike) -> train.Engine:
    """The training of a fitted model over again, from its settings and the points (n, d) it was fitted to.

    Raises:
        SettingError: it was fitted with patience, which stops by points that are held out, or to a condition.
        ShapeError, DataError: the points cannot be used, or have another mean or spread than its own.

    Example:
        >>> from dima import DDPM
        >>> Z = np.random.default_rng(0).standard_normal((50, 2))
        >>> engine = engine_of(DDPM(n_iter=4, hidden_dim=8).fit(Z).fit_, Z)
        >>> engine.n_steps, engine.examples.points.shape
        (4, (50, 2))
    """
    if fit.settings["patience"] is not None:
        fix = "Fit with patience=None."
        raise SettingError(f"engine_of: patience must be None; got {fit.settings['patience']}. {fix}")
    if fit.conditions is not None:
        rule, fix = "one without condition", "Fit without it."
        raise SettingError(f"engine_of: the model must be {rule}; got one with a condition. {fix}")
    Z = check.array("engine_of", "points", points, ("n", len(fit.scale.center)))
    _refuse_others(fit.scale, Standardizer.of(Z), len(Z))
    with jax.default_device(border.device(fit.settings["device"])):
        standard = fit.scale.apply(Z, np.float32)
        return ddpm_fit.engine_of(fit.settings, ddpm_fit.path_of(fit.settings), standard)


def query_key(engine: train.Engine) -> jax.Array:
    """Key of the noise that queries carry."""
    return jax.random.fold_in(engine.examples.key, _QUERY)


class Unrolled:
    """One training, kept at the ends of its segments; each call of `scores` is a pass back through it.

    Args:
        engine: the training; its weights are those at which derivatives are taken.
        segment: steps of a segment; about the square root of all steps if not given.

    Attributes:
        final: state after the last step.

    Example:
        >>> from dima import DDPM
        >>> Z = np.random.default_rng(0).standard_normal((50, 2))
        >>> engine = engine_of(DDPM(n_iter=4, hidden_dim=8, eps_root=1e-8).fit(Z).fit_, Z)
        >>> Unrolled(engine).scores(engine.examples.points[:3]).shape
        (3, 50)
    """

    def __init__(self, engine: train.Engine, segment: int | None = None) -> None:
        self.engine = engine
        size = segment or _segment(engine.n_steps)
        self._segments = [part.stop - part.start for part in row_blocks(engine.n_steps, size)]
        self._states, state = [], engine.start()
        for length in self._segments:
            self._states.append(state)
            state, _ = train.run_steps(engine.plan, length, state, engine.examples)
        self.final = state

    def losses(self, queries: jax.Array) -> jax.Array:
        """Loss (q,) of standardised queries (q, d) at the end of training."""
        engine = self.engine
        levels, key = engine.examples.levels, query_key(engine)
        return objective.point_losses(engine.plan, self.final.ema, queries, levels, key)

    def scores(self, queries: jax.Array) -> Array:
        """Scores (q, n) of standardised queries (q, d): how much each loss grows without a point.

        Queries go back together, as many as their derivatives fit into a block of memory.

        Raises:
            NumericsError: a score is not finite.
        """
        bytes_each = _STATES * sum(leaf.nbytes for leaf in jax.tree.leaves(self.final.ema))
        blocks = row_blocks(len(queries), rows_within(bytes_each, BLOCK_BYTES))
        found = np.concatenate([self._scores(queries[rows]) for rows in blocks])
        if not np.isfinite(found).all():
            raise NumericsError("unrolled_scores: scores must be finite; got NaN or infinity. Train gentler.")
        return found

    def _scores(self, queries: jax.Array) -> Array:
        engine, points = self.engine, self.engine.examples.points
        none, levels = jnp.zeros((len(queries), len(points)), points.dtype), self.engine.examples.levels
        back = _Back(_query_gradients(engine.plan, self.final, queries, levels, query_key(engine)), none)
        for length, state in zip(reversed(self._segments), reversed(self._states), strict=True):
            back = _back_through(engine.plan, length, state, engine.examples, back)
        return -np.asarray(back.weights)


def unrolled_scores(fit: DDPMFit, points: ArrayLike, queries: ArrayLike) -> Array:
    """How much the loss of each query grows when a training point is removed, to first order.

    The model is trained once more, then derivatives go back through its training once for all queries.

    Args:
        fit: `DDPM.fit_`; its settings are those of the training.
        points: (n, d) latents it was fitted to.
        queries: (q, d) latents.

    Returns:
        (q, n) scores; positive where the point helps the query.

    Raises:
        SettingError: as `engine_of`, or its training was not smooth: Adam then steps by the sign of small
            gradients, and the derivative tells of nothing.
        ShapeError, DataError: points or queries cannot be used, or the points are not those of the fit.
        NumericsError: a score is not finite.

    Example:
        >>> from dima import DDPM
        >>> Z = np.random.default_rng(0).standard_normal((50, 2))
        >>> prior = DDPM(n_iter=4, hidden_dim=8, eps_root=1e-8).fit(Z)
        >>> unrolled_scores(prior.fit_, Z, Z[:3]).shape
        (3, 50)
    """
    eps_root = fit.settings["eps_root"]
    if eps_root < _SMOOTH:
        rule = f"at least {_SMOOTH:g}"
        fix = "Fit with eps_root=1e-8, or by dima image fit-latent --smooth."
        raise SettingError(f"unrolled_scores: eps_root of the fit must be {rule}; got {eps_root:g}. {fix}")
    asked = check.array("unrolled_scores", "queries", queries, ("q", len(fit.scale.center)))
    engine = engine_of(fit, points)
    with jax.default_device(border.device(fit.settings["device"])):
        again = Unrolled(engine)
        _refuse_drift(engine.network, fit.network, again.final.ema)
        return again.scores(jnp.asarray(fit.scale.apply(asked, np.float32)))


def _refuse_others(own: Standardizer, given: Standardizer, n: int) -> None:
    """Points of another mean or spread than those of the fit."""
    mean, spread = np.abs(given.center - own.center), np.abs(given.unit - own.unit)
    if (np.maximum(mean, spread) > _ROUNDING * (own.unit + np.abs(own.center))).any():
        far = (mean / own.unit).max(), (given.unit / own.unit)[(spread / own.unit).argmax()]
        got = f"{n} whose mean is {far[0]:.3g} units away and whose spread is {far[1]:.4g} times as large"
        fix = "Pass all that it was fitted to."
        raise DataError(f"engine_of: points must be those of the fit; got {got}. {fix}")


def _refuse_drift(start: Parameters, own: Parameters, again: Parameters) -> None:
    """A training that ends elsewhere than that of the fit: it had other points, or another order."""
    first, fitted, found = (
        np.concatenate([np.ravel(network[name]) for name in sorted(start)]) for network in (start, own, again)
    )
    way, off = np.linalg.norm(fitted - first), np.linalg.norm(found - fitted)
    if off > _DRIFT * way:
        rule = "those the model was fitted to, in their order"
        got = f"others, whose training ends {off / max(way, np.finfo(np.float32).tiny):.3g} of the way apart"
        fix = "Pass the very points of the fit."
        raise DataError(f"unrolled_scores: points must be {rule}; got {got}. {fix}")


def _segment(n_steps: int) -> int:
    """About the square root; a divisor where one is near, so that one length is compiled."""
    root = max(1, math.isqrt(n_steps))
    return next((size for size in range(root, 2 * root) if n_steps % size == 0), root)


class _Back(NamedTuple):
    """Derivatives of the query losses: by the arrays of a state, and so far by the weights (q, n)."""

    state: list[jax.Array]
    weights: jax.Array


def _is_real(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.floating)


def _real(state: train.State) -> list[jax.Array]:
    """The arrays of a state that have derivatives; counters have none."""
    return [leaf for leaf in jax.tree.leaves(state) if _is_real(leaf)]


def _with_real(state: train.State, real: list[jax.Array]) -> train.State:
    leaves, structure = jax.tree.flatten(state)
    replaced = iter(real)
    return jax.tree.unflatten(structure, [next(replaced) if _is_real(leaf) else leaf for leaf in leaves])


@functools.partial(jax.jit, static_argnames="plan")
def _query_gradients(
    plan: objective.Plan, final: train.State, queries: jax.Array, levels: jax.Array, key: jax.Array
) -> list[jax.Array]:
    """Derivative of each query's loss by the arrays of the final state."""

    def loss(real: list[jax.Array], query: jax.Array) -> jax.Array:
        return objective.point_losses(plan, _with_real(final, real).ema, query[None], levels, key)[0]

    return jax.lax.map(functools.partial(jax.grad(loss), _real(final)), queries)


@functools.partial(jax.jit, static_argnames=("plan", "length"))
def _back_through(
    plan: objective.Plan, length: int, state: train.State, examples: objective.Examples, back: _Back
) -> _Back:
    """From derivatives by the state after `length` steps to those by the state before."""
    if examples.weights is None:
        examples = examples._replace(weights=jnp.ones(len(examples.points), examples.points.dtype))

    def forth(state: train.State, draws: objective.Draws) -> tuple[train.State, Any]:
        after, _ = train.advance(plan, state, examples, draws)
        return after, (state, draws)

    def step_back(back: _Back, before: tuple[train.State, objective.Draws]) -> tuple[_Back, None]:
        state, draws = before

        def step(real: list[jax.Array], weights: jax.Array) -> list[jax.Array]:
            own = draws._replace(weights=weights)
            return _real(train.advance(plan, _with_real(state, real), examples, own)[0])

        _, pull = jax.vjp(step, _real(state), draws.weights)
        by_state, by_weights = jax.vmap(pull)(back.state)
        return _Back(by_state, back.weights.at[:, draws.rows].add(by_weights)), None

    draws = objective.draws_of(plan, length, state.step, examples)
    _, before = jax.lax.scan(forth, state, draws)
    return jax.lax.scan(step_back, back, before, reverse=True)[0]
