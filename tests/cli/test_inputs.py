"""What verbs share refuses what no verb can use."""

import numpy as np
import pytest

from dima.cli import inputs
from dima.cli.flags import Common
from dima.data.table import Table
from dima.errors import ArtifactError, ShapeError
from dima.manifold.dmap import DMAP
from dima.model import persist


class Named:
    def __init__(self):
        self.columns_ = ["a", "b"]


@pytest.mark.parametrize("columns", [None, ["a", "b"]])
def test_columns_that_agree_or_are_unknown(columns):
    X = np.ones((2, 2))
    assert inputs.rows_for(Named(), Table(X, columns, []), "t.csv") is X
    assert inputs.rows_for(object(), Table(X, ["x", "y"], []), "t.csv") is X


def test_columns_in_another_order_are_taken_by_name():
    X = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert np.array_equal(inputs.rows_for(Named(), Table(X, ["b", "a"], []), "t.csv"), X[:, ::-1])


@pytest.mark.parametrize(
    ("names", "got"), [(["a", "c"], "none named 'b' and 'c' besides"), (["b", "a", "a"], "'a' twice")]
)
def test_other_columns_are_refused(names, got):
    with pytest.raises(ShapeError, match=rf"^t\.csv: columns must be those of the model; got {got}\. P"):
        inputs.rows_for(Named(), Table(np.ones((2, len(names))), names, []), "t.csv")


def test_a_method_that_is_not_there():
    with pytest.raises(ArtifactError, match=r"^dima sample: the model must be able to sample; got a DMAP"):
        inputs.method(DMAP(2), "sample")


def test_a_whole_model(desk, tmp_path):
    assert inputs.whole(desk / "bare", "evaluate").d_ == 2
    persist.save(persist.load(desk / "bare").dmap_, tmp_path / "dmap")
    with pytest.raises(ArtifactError, match="must be a whole model, with encoder and decoder; got a DMAP"):
        inputs.whole(tmp_path / "dmap", "evaluate")


def test_columns_left_out_are_told_on_standard_error(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("name,x\nu,1\nv,2\n")
    inputs.table(str(tmp_path / "t.csv"), True, Common())
    assert capsys.readouterr() == ("", "Left out: name.\n")
    inputs.table(str(tmp_path / "t.csv"), True, Common(quiet=True))
    assert capsys.readouterr().err == ""
