"""The loop around an engine's generator: one function, `train`."""

import dataclasses
import logging
import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from dima.errors import NumericsError
from dima.progress import StepRecord, track
from dima.training import checkpoint
from dima.training.checkpoint import Checkpoint
from dima.training.log import Write, written
from dima.training.runs import RunFolder
from dima.training.signals import StopRequest, stop_requests
from dima.training.stopping import Patience
from dima.typing import Arrays, Float64

__all__ = ["Engine", "Run", "Trained", "TrainingState", "train"]

_log = logging.getLogger("dima")
_FIRST = 5.0  # seconds after which a first checkpoint is due, so that an early kill does not lose all

S = TypeVar("S")  # the engine's state, whatever it is


class Engine(Protocol[S]):
    """What a trained network brings: its steps, and its state as named arrays."""

    @property
    def n_steps(self) -> int:
        """Steps of the whole run."""

    def start(self) -> S:
        """The state before the first step."""

    def steps(self, state: S) -> Iterator[tuple[S, StepRecord]]:
        """Train on from a state, yielding at steps that depend on the run's settings alone."""

    def state_arrays(self, state: S) -> Arrays:
        """Everything that training changes, by name; arrays that later steps leave alone."""

    def restore(self, arrays: Arrays) -> S:
        """The state that `state_arrays` described."""

    def held_out_loss(self, state: S) -> float:
        """Loss on data that training does not see; asked for with patience only."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What surrounds the training of a network.

    Attributes:
        label: what is trained, for the bar and for messages.
        patience: held-out checks, one a record, without improvement after which to stop; the best
            state is then the one that is returned. None trains to the end.
        folder: run folder to keep up to date and to go on from, or None.
        identity: values that a checkpoint, as JSON gives them back, must agree with to be gone on from.
        data: names in `identity` that hold fingerprints of what is learnt from.
        log_every: steps between log lines, rounded up to the engine's records; 0 for none.
        checkpoint_seconds: between two checkpoints; the first comes after 5 at the latest, one at the end.
        watch: is shown where the run stands after every record; it must change nothing.
    """

    label: str
    patience: int | None = None
    folder: str | Path | None = None
    identity: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    data: Collection[str] = ()
    log_every: int = 0
    checkpoint_seconds: float = 30.0
    watch: "Callable[[TrainingState[Any]], None]" = lambda now: None


@dataclasses.dataclass(frozen=True)
class Trained(Generic[S]):
    """What a run ends with.

    Attributes:
        state: the last state, or the best with patience.
        history: (records, 2) steps done and mean loss since the record before.
    """

    state: S
    history: Float64


@dataclasses.dataclass(frozen=True)
class TrainingState(Generic[S]):
    """Where a run stands after a record."""

    state: S
    best: Arrays
    history: list[tuple[float, float]]  # shared by all states of a run, which append to it
    patience: Patience
    held_out: float | None = None

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self.history[-1][0]) if self.history else 0

    @property
    def table(self) -> Float64:
        """(records, 2) steps done and mean loss since the record before."""
        return np.array(self.history, np.float64).reshape(-1, 2)


def train(engine: Engine[S], run: Run) -> Trained[S]:
    """Train to the end, or until patience is over, from the run folder's checkpoint if there is one.

    A run that was killed and is started again gives the numbers of one that was not. With a folder,
    Ctrl-C and SIGTERM write a checkpoint first, then end the process with exit code 130 or 143.

    Raises:
        NumericsError: the loss became infinite.
        SettingError: the folder is no path, or its checkpoint is of a run with other settings or data.
        ArtifactError: the checkpoint is damaged or cannot be written, or another process owns the folder.
    """
    if run.folder is None:
        return _result(engine, _run(engine, run, _begin(engine, run), lambda now, record: None))
    folder = RunFolder.at(run.folder, run.label)
    with folder.owned(), stop_requests() as stop:
        begun = _begin(engine, run, checkpoint.read(folder.checkpoint, run.identity, run.data))
        with written(folder.metrics, folder.events, begun.step) as write:
            keeper = _Keeper(engine, run, folder, write, stop, begun.step, monotonic())
            last = _run(engine, run, begun, keeper.keep)
            keeper.save(last)
            stop.obey()
    return _result(engine, last)


def _begin(engine: Engine[S], run: Run, found: Checkpoint | None = None) -> TrainingState[S]:
    if found is None:
        return TrainingState(engine.start(), {}, [], Patience(run.patience))
    patience = dataclasses.replace(found.patience, limit=run.patience)
    history = [(step, loss) for step, loss in found.history.tolist()]
    begun = TrainingState(engine.restore(found.state), found.best, history, patience)
    if begun.step < engine.n_steps:
        _log.info("%s: goes on after step %d of %d.", run.label, begun.step, engine.n_steps)
    return begun


def _run(
    engine: Engine[S],
    run: Run,
    now: TrainingState[S],
    keep: Callable[[TrainingState[S], StepRecord], None],
) -> TrainingState[S]:
    if now.patience.is_over:
        return now
    records = track(engine.steps(now.state), engine.n_steps, run.label, operator.itemgetter(1))
    for state, record in records:
        if not np.isfinite(record.loss):
            message = f"{run.label}: the loss must be finite; got {record.loss} at step {record.step}."
            raise NumericsError(f"{message} Lower the learning rate.")
        if run.log_every and record.step // run.log_every > now.step // run.log_every:
            _log.info("%s: step %d of %d, loss %.4f", run.label, record.step, engine.n_steps, record.loss)
        now = _after(engine, now, state, record)
        run.watch(now)  # before a stop is obeyed: what it shows of this record is not shown again
        keep(now, record)
        if now.patience.is_over:
            break
    return now


def _after(engine: Engine[S], now: TrainingState[S], state: S, record: StepRecord) -> TrainingState[S]:
    now.history.append((record.step, record.loss))
    if now.patience.limit is None:
        return TrainingState(state, {}, now.history, now.patience)
    held_out = engine.held_out_loss(state)
    patience = now.patience.after(held_out)
    best = engine.state_arrays(state) if patience.waited == 0 else now.best
    return TrainingState(state, best, now.history, patience, held_out)


@dataclasses.dataclass
class _Keeper(Generic[S]):
    """Keeps a run folder up to date: a line a record, a checkpoint every so many seconds or before a stop."""

    engine: Engine[S]
    run: Run
    folder: RunFolder
    write: Write
    stop: StopRequest
    saved_step: int
    saved_at: float
    is_first: bool = True

    def keep(self, now: TrainingState[S], record: StepRecord) -> None:
        held_out = {} if now.held_out is None else {"held_out_loss": now.held_out}
        self.write({"step": record.step, "loss": record.loss, **held_out, "seconds": record.seconds})
        most = _FIRST if self.is_first else np.inf
        due = monotonic() - self.saved_at >= min(self.run.checkpoint_seconds, most)
        if due or self.stop.number is not None:
            self.save(now)
        if self.stop.number is not None:
            kept = f"the checkpoint in {self.folder.path} is kept, and a run in that folder goes on from it"
            _log.info("%s: stopped after step %d; %s.", self.run.label, now.step, kept)
        self.stop.obey()

    def save(self, now: TrainingState[S]) -> None:
        """Write a checkpoint, unless the one that stands is of this step."""
        if now.step == self.saved_step:
            return
        state = self.engine.state_arrays(now.state)
        kept = Checkpoint(state, now.best, now.table, now.patience)
        checkpoint.write(self.folder.checkpoint, kept, self.run.identity)
        self.saved_step, self.saved_at, self.is_first = now.step, monotonic(), False


def _result(engine: Engine[S], last: TrainingState[S]) -> Trained[S]:
    return Trained(engine.restore(last.best) if last.best else last.state, last.table)
