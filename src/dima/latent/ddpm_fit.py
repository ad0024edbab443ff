"""What the vector diffusion model learns, how it is trained, and how it walks: one frozen `DDPMFit`."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dima import memory, training
from dima.blocks import row_blocks
from dima.errors import DataError, NumericsError, SettingError
from dima.latent import border, denoiser, likelihood, objective, sample, train
from dima.latent.condition import Conditions
from dima.noise import sampling
from dima.noise import schedule as schedules
from dima.noise.solver import SolverTable
from dima.scaling import Standardizer
from dima.training.checkpoint import fingerprint
from dima.typing import Array, ArrayLike, Float32, Float64

__all__ = ["DDPMFit", "engine_of", "fit_ddpm", "path_of"]

_STEPS_EACH, _FEWEST_STEPS, _MOST_STEPS = 2, 300, 30_000  # of training, for each point and in all
_BLOCKS = 3  # residual blocks
_KEPT = 5  # of each weight: itself, its average, two moments and the gradient
_TOGETHER = 16384  # samples walked at a time
_DENSITY_STEPS = 64  # of the Runge-Kutta method
_DENSITY_ROWS = 16384  # points at a time
_FAR = 1e4  # units of the mean from zero beyond which float32 would round a thousandth of a unit away
_NOT_OF_THE_RUN = {"device", "verbose_every"}  # they change no number


@dataclasses.dataclass(frozen=True)
class DDPMFit:
    """What `DDPM.fit` learns.

    Attributes:
        settings: those it was fitted with.
        scale: standardises points.
        network: the averaged (EMA) parameters, which sample.
        losses: (records, 2) training steps done and mean loss since the record before.
        conditions: how what is known of points becomes numbers; None for a model without conditions.
        reach: (2, d) least and greatest standardised coordinates of the training points.
    """

    settings: dict[str, Any]
    scale: Standardizer
    network: denoiser.Parameters
    losses: Float64
    conditions: Conditions | None = None
    reach: Float64 | None = None

    def walk(
        self,
        table: SolverTable,
        n: int,
        seed: int,
        start: tuple[Float32, float] | None = None,
        guide: sample.Guide = sample.FREE,
    ) -> Array:
        """Walk `n` points (n, d): from noise alone, or from standardised states plus noise of a spread."""
        parts = [self._part(table, seed, rows, start, guide) for rows in row_blocks(n, _TOGETHER)]
        points = np.concatenate(parts) if parts else np.empty((0, len(self.scale.center)), np.float32)
        if not np.isfinite(points).all():
            fix = "Train longer, with a lower learning rate, or choose the target v."
            raise NumericsError(f"DDPM: what is drawn must be finite; got NaN or infinity. {fix}")
        return points

    def cleaned(  # noqa: PLR0913 each argument is one of `refine`
        self,
        owner: str,
        Z: Array,
        level: int,
        seed: int,
        solver: str,
        add_noise: bool,
        condition: ArrayLike | None,
        steps: int | None = None,
    ) -> Array:
        """Points (b, d) that have walked down from a level, all the way or in so many steps."""
        if level == 0 and steps is None:
            return np.array(Z)
        table = sampling.refining_table(path_of(self.settings), level, solver, steps)
        start = self.scale.apply(Z, np.float32) * np.float32(table.alpha[0])
        spread = float(table.sigma[0]) if add_noise else 0.0
        return self.walk(table, len(Z), seed, (start, spread), self.guide(owner, len(Z), condition=condition))

    def guide(
        self,
        owner: str,
        n: int,
        *,
        condition: ArrayLike | None = None,
        weight: float = 1.0,
        clip: str | None = None,
        known: Array | None = None,
    ) -> sample.Guide:
        """What a walk of `n` points is held to.

        Args:
            owner: named in errors.
            n: points.
            condition: of all, or one for each.
            weight: of guidance.
            clip: None, "range" or "dynamic".
            known: (n, d) coordinates to keep, NaN where they are free.
        """
        own = None if condition is None else self._conditions_of(owner).apply(owner, condition, n)
        is_free = self.conditions is not None and (condition is None or weight != 1.0)
        if is_free and self.settings["condition_dropout"] == 0:
            fix = "Fit with some, or pass a condition and guidance 1."
            rule = "above 0 for draws without a condition, or guided away from them"
            raise SettingError(f"{owner}: condition_dropout must be {rule}; got 0. {fix}")
        kept = None if known is None else self.scale.apply(known, np.float32)
        bounds = None if clip is None else self._reach_of(owner)
        return sample.Guide(
            _to_jax(own), _to_jax(kept), _to_jax(bounds), None if weight == 1.0 else weight, clip == "dynamic"
        )

    def log_density(self, owner: str, Z: Array, condition: ArrayLike | None = None) -> Float64:
        """Log-density (b,) of points `Z` (b, d) in nats, by the probability flow."""
        if not self.scale.varies.all():
            got = f"{int((~self.scale.varies).sum())} constant axes"
            raise DataError(f"{owner}: the training points must be varying; got {got}.")
        levels, standard = path_of(self.settings).log_snr, self.scale.apply(Z, np.float32)
        with jax.default_device(border.device(self.settings["device"])):
            known = self.guide(owner, len(Z), condition=condition).condition
            density = functools.partial(
                likelihood.log_density, self.network, self.settings["target"], steps=_DENSITY_STEPS
            )
            ends = (float(levels[1]), float(levels[-1]))
            found = [
                density(jnp.asarray(standard[rows]), ends, condition=_of_rows(known, rows))
                for rows in row_blocks(len(Z), _DENSITY_ROWS)
            ]
        return np.concatenate(found).astype(np.float64) - float(np.log(self.scale.unit).sum())

    def _conditions_of(self, owner: str) -> Conditions:
        if self.conditions is None:
            fix = "Fit with condition first."
            raise DataError(f"{owner}: condition must be left out; got one, and the model has none. {fix}")
        return self.conditions

    def _reach_of(self, owner: str) -> Float64:
        if self.reach is None:
            fix = "Leave clip out, or fit anew."
            raise DataError(f"{owner}: clip must be None; got a model saved without its range. {fix}")
        return self.reach

    @property
    def _float32_serves(self) -> bool:
        """Whether float32 tells points apart whose mean is far from zero."""
        far = np.abs(self.scale.center) > _FAR * self.scale.unit
        return not (far & self.scale.varies).any()

    def _part(
        self,
        table: SolverTable,
        seed: int,
        rows: slice,
        start: tuple[Float32, float] | None,
        guide: sample.Guide,
    ) -> Array:
        """The samples numbered rows.start .. rows.stop."""
        with jax.default_device(border.device(self.settings["device"])):
            keys = sample.sample_keys(seed, rows.start, rows.stop)
            noise = sample.standard_normal(keys, 0, len(self.scale.center))
            x = noise * table.start_std if start is None else jnp.asarray(start[0][rows]) + start[1] * noise
            held = guide._replace(
                condition=_of_rows(guide.condition, rows), known=_of_rows(guide.known, rows)
            )
            solved = sample.solve(self.network, self.settings["target"], sample.rows(table), x, keys, held)
        # An axis that never varied is left at its mean.
        standard = np.where(self.scale.varies, np.asarray(solved, np.float64), 0.0)
        points = self.scale.restore(standard)
        return points.astype(np.float32) if self._float32_serves else points


def _to_jax(values: Array | None) -> jax.Array | None:
    return None if values is None else jnp.asarray(values, jnp.float32)


def _of_rows(values: jax.Array | None, rows: slice) -> jax.Array | None:
    return None if values is None else values[rows]


def fit_ddpm(
    settings_used: dict[str, Any],
    Z: Array,
    condition: ArrayLike | None = None,
    folder: str | Path | None = None,
    watch: Callable[[DDPMFit, int], None] = lambda fit, number: None,
) -> DDPMFit:
    """Train on checked points `Z` (n, d), in a run folder if one is given; `watch` sees it grow."""
    settings_used = settings_used | {"n_iter": _n_iter(settings_used["n_iter"], len(Z))}
    path, scale = path_of(settings_used), Standardizer.of(Z)
    standard, conditions, known = scale.apply(Z, np.float32), None, None
    data = {"points": (standard, Z.astype(np.float32))}  # a last digit of float64 makes no other data
    if condition is not None:
        conditions = Conditions.of("DDPM", condition, len(Z))
        known = conditions.apply("DDPM", condition, len(Z))
        data |= {"conditions": (known, _told_apart(conditions, np.asarray(condition)))}
    reach = np.stack([standard.min(axis=0), standard.max(axis=0)]).astype(np.float64)

    def fit_of(state: train.State, history: Float64) -> DDPMFit:
        return DDPMFit(settings_used, scale, state.ema, history, conditions, reach)

    with jax.default_device(border.device(settings_used["device"])):
        engine = engine_of(settings_used, path, standard, known)
        run = _run(settings_used, data, folder)
        run = dataclasses.replace(
            run, watch=lambda now: watch(fit_of(now.state, now.table), len(now.history))
        )
        trained = training.train(engine, run)
    return fit_of(trained.state, trained.history)


def _told_apart(conditions: Conditions, given: Array) -> Array:
    """What tells given conditions from others: vectors as numbers, labels as one text.

    An array of text is as wide as its longest word could be: equal labels may be of unequal width.
    """
    if conditions.scale is not None:
        return given.astype(np.float32)
    return np.frombuffer(repr([str(label) for label in given.tolist()]).encode(), np.uint8)


def _n_iter(given: int | None, n: int) -> int:
    """Training steps for `n` points: few points would be learnt by heart in more."""
    return min(max(_FEWEST_STEPS, _STEPS_EACH * n), _MOST_STEPS) if given is None else given


def path_of(settings_used: dict[str, Any]) -> schedules.Path:
    """The path of a model; a setting that the schedule does not have is refused."""
    own = {name: settings_used[name] for name in ("beta_start", "beta_end", "beta_max", "eps")}
    path = schedules.path(settings_used["schedule"], settings_used["T"], **own)
    path = schedules.zero_terminal_snr(path) if settings_used["zero_snr"] else path
    if path.alpha[-1] == 0 and settings_used["target"] == "eps":
        fix = "Choose v, or a schedule that leaves some signal."
        raise SettingError(
            f"DDPM: target must be another than eps where nothing but noise is left; got eps. {fix}"
        )
    return path


def engine_of(
    settings_used: dict[str, Any], path: schedules.Path, standard: Float32, known: Float32 | None = None
) -> train.Engine:
    """The training of such a network on standardised points (n, d), and what is known of them (n, c)."""
    first, key = jax.random.split(jax.random.key(settings_used["seed"]))
    levels = jnp.asarray(path.log_snr[1:], jnp.float32)
    examples = objective.Examples(jnp.asarray(standard), levels, key, _to_jax(known))
    kept, held_out = (examples, examples) if settings_used["patience"] is None else train.split(examples, key)
    n_iter, batch = settings_used["n_iter"], min(settings_used["batch_size"], len(kept.points))
    names = ("learning_rate", "ema_decay", "target", "weight", "record_every", "levels", "eps_root")
    plan = objective.Plan(n_iter, batch, *(settings_used[name] for name in names))
    if known is not None:
        plan = dataclasses.replace(plan, kept_back=settings_used["condition_dropout"])
    sizes = settings_used["hidden_dim"], settings_used["t_embed_dim"], _BLOCKS
    n_known = 0 if known is None else known.shape[1]
    shape = standard.shape[1], *sizes, settings_used["block"], n_known
    weights = jax.eval_shape(functools.partial(denoiser.init, first, *shape)).values()
    wanted = _KEPT * sum(part.size * part.dtype.itemsize for part in weights)
    memory.refuse_beyond("DDPM", "training a network of this width", wanted, "Lower hidden_dim.")
    network = denoiser.init(first, *shape)
    return train.Engine(plan, network, kept, held_out)


def _run(
    settings_used: dict[str, Any], data: Mapping[str, tuple[Array, ...]], folder: str | Path | None
) -> training.Run:
    """The run of these settings on data that are each told by what is learnt from and by what was given."""
    identity = {name: value for name, value in settings_used.items() if name not in _NOT_OF_THE_RUN}
    if "conditions" not in data:
        identity.pop("condition_dropout")
    held = {} if folder is None else {name: fingerprint(*arrays) for name, arrays in data.items()}
    return training.Run(
        "DDPM",
        patience=settings_used["patience"],
        folder=folder,
        identity=identity | held,
        data=tuple(held),
        log_every=settings_used["verbose_every"],
    )
