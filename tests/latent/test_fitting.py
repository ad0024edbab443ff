import jax
import numpy as np
import pytest

from close import assert_close
from dima.errors import ArtifactError, NumericsError
from dima.latent import fitting, train
from latent.runs import LEVELS, PLAN, assert_equal, begin, fit, interrupted, points, run


def test_what_is_served_is_the_average_of_the_generator():
    served, history = fit(run())
    last = list(train.run(PLAN, train.start(PLAN, begin()), points(), LEVELS, jax.random.key(1), 10))
    assert_equal(served, last[-1][0].ema)
    assert_close(history, [(record.step, record.loss) for _, record in last])


def with_losses(monkeypatch, losses):
    """Held-out losses as given, with the parameters each was asked of."""
    asked, told = [], iter(losses)

    def held_out_loss(plan, parameters, *_):
        asked.append(parameters)
        return next(told)

    monkeypatch.setattr(fitting.train, "held_out_loss", held_out_loss)
    return asked


def test_early_stopping_stops_and_serves_the_best(monkeypatch):
    asked = with_losses(monkeypatch, [3.0, 1.0, 2.0, 2.0, 0.5, 9.0])
    served, history = fit(run(patience=2))
    assert_close(history[:, 0], [10, 20, 30, 40])
    assert_equal(served, asked[1])


def test_patience_counts_checks_in_a_row(monkeypatch):
    asked = with_losses(monkeypatch, [3.0, 4.0, 2.0, 4.0, 1.0, 4.0])
    served, history = fit(run(patience=2))
    assert len(history) == 6
    assert_equal(served, asked[4])


def test_a_held_out_loss_that_is_no_number_is_no_improvement(monkeypatch):
    with_losses(monkeypatch, [1.0, np.nan, np.nan])
    assert len(fit(run(patience=2))[1]) == 3


def test_a_tenth_is_held_out():
    data = points(50)
    kept, apart = fitting._split(data, jax.random.key(0), 5)
    assert (len(kept), len(apart)) == (45, 5)
    together = np.concatenate([kept, apart])
    assert_close(together[np.lexsort(together.T)], np.asarray(data)[np.lexsort(np.asarray(data).T)])
    assert fitting._split(data, jax.random.key(0), None)[0] is data
    assert len(fitting._split(points(1), jax.random.key(0), 5)[0]) == 1


def test_a_stopped_run_is_not_gone_on_with(monkeypatch, tmp_path):
    with_losses(monkeypatch, [1.0, 2.0, 3.0])
    made = run(tmp_path / "run", patience=2)
    first = fit(made)
    again = fit(made)  # no loss is left to be told
    assert_equal(again, first)


def test_early_stopping_goes_on_where_it_stood(monkeypatch, tmp_path):
    whole = fit(run(patience=1))
    made = run(tmp_path / "run", patience=1)
    interrupted(monkeypatch, made, after=1)
    assert_equal(fit(made), whole)


def test_an_infinite_loss_is_said_before_it_is_kept(monkeypatch, tmp_path):
    huge = jax.tree.map(lambda value: value + 1e30, begin())
    with pytest.raises(NumericsError, match=r"the loss must be finite; got .*Lower learning_rate"):
        fitting.fit(run(tmp_path / "run"), huge, points(), LEVELS, jax.random.key(1))
    assert not (tmp_path / "run").exists()


def test_the_log_says_the_loss(caplog):
    with caplog.at_level("INFO", logger="dima"):
        fit(run())
    told = [record.getMessage().split(",")[0] for record in caplog.records if record.name == "dima"]
    assert told == [f"DDPM: step {step} of 60" for step in range(10, 61, 10)]


def test_a_checkpoint_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArtifactError):
        fit(run(tmp_path / "file" / "run"))
    assert (tmp_path / "file").read_text() == "mine"


def test_no_steps_serve_the_network_as_it_is():
    none = fitting.Run(train.Plan(0, 16, 1e-3, 0.9, "v"), None, 0, None, {})
    served, history = fitting.fit(none, begin(), points(), LEVELS, jax.random.key(1))
    assert_equal(served, begin())
    assert history.shape == (0, 2)
