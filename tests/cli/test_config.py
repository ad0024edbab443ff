"""`--config`: beneath the flags, and nothing in it is ignored."""

import numpy as np
import pytest

from cli.shell import circle
from dima.cli import config
from dima.errors import DataError
from dima.model import persist


@pytest.fixture
def fit(dima, tmp_path):
    """Fits with a file of flags; tokens are added behind it."""
    np.save(tmp_path / "X.npy", circle(60))

    def call(text, *tokens, refused=False):
        (tmp_path / "flags.toml").write_text(text, encoding="utf-8")
        line = ["fit", tmp_path / "X.npy", "-o", tmp_path / "model", "--config", tmp_path / "flags.toml"]
        return (dima.refused if refused else dima)(*line, "-q", *tokens)

    return call


def test_file_fills_what_the_flags_leave_open(fit, tmp_path):
    text = "d = 2\nno-prior = true\n[dmap]\nalpha = 0.5\nk = 20\n[gplm]\nm = 30\ncenter_X = false\n"
    assert fit(text, "--dmap.k", "25") == (0, "", "")
    model = persist.load(tmp_path / "model")
    assert (model.dmap_.d, model.dmap_.alpha, model.dmap_.k) == (2, 0.5, 25)
    assert (model.gplm_.m, model.gplm_.center_X, model.prior_) == (30, False, None)


def test_none_takes_a_setting_back(fit, tmp_path):
    text = "no-prior = true\n[dmap]\neps = 3.0\n[gplm]\nm = 30\n"
    assert fit(text, "--gplm.m", "none", "--dmap.eps", "none").code == 0
    model = persist.load(tmp_path / "model")
    assert (model.gplm_.m, model.dmap_.eps) == (None, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[dmap]\nalhpa = 1.0\n", ["[dmap][alhpa]", "flags.toml", "Did you mean --dmap.alpha?"]),
        ("dd = 1\n", ["[dd]", "flags.toml"]),
        ("[dmap]\nd = 1\n", ["[dmap][d]", "flags.toml"]),
        ("[fit]\nd = 1\n", ["'fit'", "flags.toml", "[dmap], [gplm] and [ddpm]"]),
        ("config = 'b.toml'\n", ["'config'", "flags.toml"]),
        ("dmap = 3\n", ["[dmap]", "--dmap.k VALUE"]),
        ("[ddpm]\nn_iter = 3.7\n", ["[ddpm][n_iter]", '"3.7"', "flags.toml"]),
        ("[dmap]\nsym = 'median'\n", ["[dmap][sym]", "median", "flags.toml"]),
        ("d = = 3\n", ["flags.toml", "line 1"]),
    ],
)
def test_what_is_wrong_in_the_file_is_named(fit, text, told):
    sentence = fit(text, refused=True)
    assert all(words in sentence for words in told), sentence


@pytest.mark.parametrize("flag", [["--dmap", "3"], ["--dmap=3"]])
def test_a_part_alone_is_no_flag(fit, flag):
    assert "--dmap.k VALUE" in fit("", *flag, refused=True)


@pytest.mark.parametrize("name", ["none.toml", ".", "text.toml"])
def test_file_that_cannot_be_read(tmp_path, name):
    (tmp_path / "text.toml").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"^--config: .+ must be a .*file.*; got .+\. .+\.$"):
        config.read(tmp_path / name)


def test_other_verbs_take_it_too(dima, desk, tmp_path):
    (tmp_path / "flags.toml").write_text("n = 7\nlatent = true\njson = true\n", encoding="utf-8")
    ran = dima("sample", desk / "model", "-o", tmp_path / "Z.npy", "--config", tmp_path / "flags.toml")
    assert (ran.code, ran.json["shape"]) == (0, [7, 2])
