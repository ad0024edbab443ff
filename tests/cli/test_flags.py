"""Flags are the declared settings: names, types, defaults and descriptions from one place."""

import inspect
import re
import typing
from typing import Annotated, Literal

import pytest
from cyclopts import App, Token
from msgspec import Meta

from dima.cli import flags
from dima.latent.ddpm import DDPM
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.evaluate import evaluate
from dima.model.manifold_autoencoder import ManifoldAutoencoder
from dima.settings import OneOf, declared

PARTS = {"dmap": DMAP, "gplm": GPLM, "ddpm": DDPM}
ELSEWHERE = {("dmap", "d")}  # --d is the model's
SETTINGS = [
    (part, name) for part, kind in PARTS.items() for name in declared(kind) if (part, name) not in ELSEWHERE
]


class Toy:
    def __init__(
        self,
        n_rows: Annotated[int, Meta(ge=1, description="rows")] = 3,
        T: Annotated[float, Meta(description="time")] | None = None,
        way: Annotated[Literal["a", "b"], Meta(description="which way")] = "a",
        name: Annotated[str, OneOf("c", "d"), Meta(description="which name")] | None = "c",
        hidden: int = 0,
    ) -> None: ...


def _line(page, flag):
    """The line of a help page that explains a flag."""
    (line,) = (
        line
        for line in page.split("Examples:")[0].splitlines()
        if re.search(rf"(?<!\S){re.escape(flag)}(?!\S)", line)
    )
    return line


def _flags(**kept):
    """The flags of a toy, by name, in order."""
    made, _ = typing.get_args(typing.get_args(flags.of(Toy, **kept))[0])
    return typing.get_type_hints(made)


def test_flags_of_a_declaration():
    assert list(_flags().items()) == [
        ("n_rows", int),
        ("T", float | None),
        ("way", Literal["a", "b"]),
        ("name", str | None),
    ]
    assert list(_flags(without={"T"})) == ["n_rows", "way", "name"]


def test_only_what_was_given_is_handed_on():
    app = App(result_action="return_value")

    @app.default
    @flags.takes(toy=flags.of(Toy, name="*"))
    def tried(*, toy: flags.Settings = None) -> flags.Settings:
        return toy

    assert app([]) is None
    assert app(["--t", "none", "--way", "b"]) == {"T": None, "way": "b"}
    assert app(["--name", "none"]) == {"name": None}
    assert app(["--name", "d"]) == {"name": "d"}


class Trained:
    def __init__(
        self,
        learning_rate: Annotated[float, Meta(gt=0, description="step")] = 1e-3,
        patience: Annotated[int, Meta(ge=1, description="records")] | None = None,
    ) -> None: ...


@pytest.mark.parametrize(
    "call",
    [
        ["--lr", "0.1", "--early-stopping-patience", "3"],
        ["--learning-rate", "0.1", "--patience", "3"],
    ],
)
def test_settings_of_training_have_a_second_spelling(call):
    app = App(result_action="return_value")

    @app.default
    @flags.takes(own=flags.of(Trained, name="*"), part=flags.of(Trained))
    def tried(*, own: flags.Settings = None, part: flags.Settings = None) -> object:
        return own, part

    part = ["--part.learning-rate", "0.2"]  # a part has the first alone
    assert app([*call, *part]) == ({"learning_rate": 0.1, "patience": 3}, {"learning_rate": 0.2})


@pytest.mark.parametrize("verb", ["fit-autoencoder", "fit-diffae", "fit-ddpm", "fit-direct"])
def test_every_verb_that_trains_on_pixels_takes_lr_and_early_stopping_patience(verb, dima):
    page = dima("image", verb, "--help").out
    assert "--lr" in page
    assert "--early-stopping-patience" in page


@pytest.fixture(scope="module")
def page():
    """The help page of `dima fit`."""
    import contextlib
    import io

    from dima.cli import run

    written = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(written):
        patch.setenv("COLUMNS", "250")
        assert run(["fit", "--help"]) == 0
    return written.getvalue()


@pytest.mark.parametrize(("part", "name"), SETTINGS)
def test_every_declared_setting_is_a_flag_with_its_default(page, part, name):
    setting = declared(PARTS[part])[name]
    line = _line(page, f"--{part}.{name.replace('_', '-')}")
    assert setting.help in line
    shown = re.search(r"\[default: (.+?)\]", line)
    assert (shown[1] if shown else "None") == str(setting.default)


@pytest.mark.parametrize("name", declared(ManifoldAutoencoder))
def test_settings_of_the_model_are_flags(page, name):
    assert _line(page, f"--{name.replace('_', '-')}")


def test_no_flag_is_without_a_setting(page):
    found = {tuple(flag.split(".")) for flag in re.findall(r"--((?:dmap|gplm|ddpm)\.(?!no-)[\w-]+)", page)}
    assert {(part, name.replace("-", "_")) for part, name in found} == set(SETTINGS)


@pytest.mark.parametrize(
    ("verb", "call", "names"),
    [
        ("sample", DDPM.sample, ["solver", "steps", "eta", "seed", "spacing", "churn"]),
        ("decode", DDPM.refine, ["t_start", "add_noise", "seed"]),
        ("evaluate", evaluate, ["n_samples", "seed"]),
    ],
)
def test_shown_defaults_are_those_of_the_library(dima, verb, call, names):
    page = dima(verb, "--help").out
    for name in names:
        default = inspect.signature(call).parameters[name].default
        line = _line(page, f"--{name.replace('_', '-')}")
        assert ("[default:" in line) == (default is not None)
        assert default is None or f"[default: {default}]" in line


@pytest.mark.parametrize("text", ["3.0", "3.7", "1e3", "", "none"])
def test_whole_numbers_are_not_rounded(text):
    with pytest.raises(ValueError, match=f'^"{text}" is not a whole number'):
        flags.whole(int, [Token(value=text, source="cli")])
    assert flags.whole(int, [Token(value="-12", source="cli")]) == -12


def test_common_hands_on_only_what_was_given():
    assert flags.EVERYWHERE.seeded() == {}
    assert flags.Common(seed=0).seeded() == {"seed": 0}
