"""Settings: read from the signature, checked with one sentence per fault, aliases at the door."""

import inspect
import math
import unicodedata
from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from dima.errors import SettingError
from dima.settings import ALIASES, accept, check, declared, must_match


class Estimator:
    """A declaration with one setting of each kind."""

    def __init__(
        self,
        k: Annotated[int, Meta(ge=2, le=100, description="neighbours of a row")] | None = None,
        *,
        eps: Annotated[float, Meta(gt=0, le=2, description="bandwidth")] = 1.0,
        sym: Annotated[Literal["max", "mean"], Meta(description="symmetrisation")] = "max",
        trivial: Annotated[bool, Meta(description="drop the constant pair")] = True,
        undeclared: int = 0,
    ):
        self.k = k


NAMES = ["k", "eps", "sym", "trivial"]
IN_RANGE = {
    "k": st.none() | st.integers(2, 100),
    "eps": st.floats(0, 2, exclude_min=True),
    "sym": st.sampled_from(["max", "mean"]),
    "trivial": st.booleans(),
}
TEXT = st.text(max_size=8)
BAD = {
    "k": st.integers(max_value=1) | st.integers(min_value=101) | st.floats() | TEXT | st.booleans(),
    "eps": st.floats(max_value=0)
    | st.floats(min_value=2, exclude_min=True)
    | st.just(math.nan)
    | st.booleans()
    | TEXT
    | st.none(),
    "sym": TEXT.filter(lambda text: text not in ("max", "mean")) | st.none() | st.integers(),
    "trivial": st.integers() | TEXT | st.none(),
}


def test_declared_in_the_order_of_the_signature_and_only_what_is_described():
    settings = declared(Estimator)
    assert list(settings) == NAMES
    for name, parameter in inspect.signature(Estimator).parameters.items():
        assert name == "undeclared" or settings[name].default is parameter.default
    assert settings["k"].help == "neighbours of a row"


def test_declared_of_a_function():
    def sample(n: Annotated[int, Meta(ge=1, description="rows")], plain=3):
        return n, plain

    assert list(declared(sample)) == ["n"]
    assert declared(sample)["n"].default is inspect.Parameter.empty


@given(st.fixed_dictionaries({}, optional=IN_RANGE))
def test_values_in_range_pass_unchanged(values):
    assert check("Estimator", Estimator, values) == values


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_bad_value_is_refused_by_name(name, data):
    bad = data.draw(BAD[name])
    with pytest.raises(SettingError) as told:
        check("Estimator", Estimator, {name: bad})
    assert str(told.value).startswith(f"Estimator: {name} must be ")
    assert declared(Estimator)[name].help in str(told.value)


@given(st.fixed_dictionaries(BAD))
def test_all_faults_are_told_together_one_a_line(values):
    with pytest.raises(SettingError) as told:
        check("Estimator", Estimator, values)
    lines = str(told.value).splitlines()
    assert [line.split(" must be ")[0] for line in lines] == [f"Estimator: {n}" for n in values]


@pytest.mark.parametrize(
    ("name", "numpy_value", "plain"),
    [
        ("k", np.int32(5), 5),
        ("k", np.array(7), 7),
        ("eps", np.float32(0.5), 0.5),
        ("eps", 2, 2.0),
        ("trivial", np.True_, True),
    ],
)
def test_numpy_scalars_become_plain_numbers(name, numpy_value, plain):
    checked = check("Estimator", Estimator, {name: numpy_value})[name]
    assert checked == plain
    assert type(checked) is type(plain)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_not_finite_is_refused(value):
    with pytest.raises(SettingError, match=r"eps must be a finite number > 0 and <= 2; got (nan|inf|-inf)"):
        check("Estimator", Estimator, {"eps": value})


def test_wrong_choice_is_answered_with_the_choices():
    with pytest.raises(SettingError, match="sym must be one of 'max', 'mean'; got 'median'"):
        check("Estimator", Estimator, {"sym": "median"})


def test_an_array_is_named_not_printed():
    with pytest.raises(SettingError, match="got ndarray"):
        check("Estimator", Estimator, {"k": np.arange(1000)})


def test_unknown_name_gets_a_suggestion():
    with pytest.raises(SettingError, match=r"got 'epz'\. Did you mean 'eps'\?"):
        accept("Estimator", Estimator, {"epz": 1.0})


def test_unknown_name_far_from_all_gets_the_list():
    with pytest.raises(SettingError, match="It knows: k, eps, sym, trivial"):
        accept("Estimator", Estimator, {"wavelength": 1.0})


def test_an_undescribed_parameter_is_no_setting():
    with pytest.raises(SettingError, match="got 'undeclared'"):
        accept("Estimator", Estimator, {"undeclared": 1})


def test_greek_keywords_arrive_as_python_normalises_them():
    def door(**values):
        return accept("Estimator", Estimator, values)

    assert door(ε=0.5) == door(ϵ=0.5) == door(eps=0.5) == {"eps": 0.5}
    assert door(κ=5) == {"k": 5}


@pytest.mark.parametrize("alias", ALIASES)
def test_alias_means_the_same_typed_as_keyword_or_as_key(alias):
    assert ALIASES[unicodedata.normalize("NFKC", alias)] == ALIASES[alias]
    assert ALIASES[alias].isascii()
    assert ALIASES[alias] not in ALIASES


def test_two_spellings_of_one_setting_are_refused():
    with pytest.raises(SettingError, match="eps must be given once"):
        accept("Estimator", Estimator, {"ε": 1.0, "eps": 2.0})


@given(st.dictionaries(st.sampled_from(NAMES), st.integers()))
def test_accept_keeps_values_as_given(values):
    assert accept("Estimator", Estimator, values) == values


def test_what_was_made_of_other_values_is_refused_by_those_that_differ():
    wanted = {"d": 2, "widths": [8, 16], "seed": 0}
    must_match("fit", "run", wanted, wanted | {"more": 1}, "Stop.")
    rule = r"^fit: run must be of widths \[8, 16\], seed 0; got widths \[8\], seed None\. Stop\.$"
    with pytest.raises(SettingError, match=rule):
        must_match("fit", "run", wanted, {"d": 2, "widths": [8]}, "Stop.")


def test_a_list_is_held_to_its_length_and_shown():
    def declares(
        widths: Annotated[tuple[int, ...], Meta(min_length=2, description="channels")] = (1, 2),
    ) -> None:
        """Declare a list."""

    assert check("Net", declares, {"widths": [3, 4]}) == {"widths": (3, 4)}
    rule = r"^Net: widths must be a list, each a whole number, at least 2 of them; got \(3,\)\. "
    with pytest.raises(SettingError, match=rule):
        check("Net", declares, {"widths": (3,)})
    with pytest.raises(SettingError, match="got tuple"):
        check("Net", declares, {"widths": (0.5,) * 20})
