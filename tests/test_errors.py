"""The exception tree is the one drawn at its top, and messages have one form."""

import re

import pytest

from dima import errors
from dima.errors import DimaError

CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, DimaError)]
# What `except` clauses written before dima existed will catch.
BUILTIN = {
    "SettingError": ValueError,
    "ShapeError": ValueError,
    "DataError": ValueError,
    "DataTypeError": TypeError,
    "NotFittedError": RuntimeError,
    "ArtifactError": ValueError,
    "BackendError": ImportError,
    "NumericsError": ArithmeticError,
    "MemoryBudgetError": MemoryError,
}


@pytest.mark.parametrize("name", BUILTIN)
def test_error_is_also_the_builtin_one(name):
    raised = getattr(errors, name)("what happened")
    assert isinstance(raised, DimaError)
    assert isinstance(raised, BUILTIN[name])
    assert str(raised) == "what happened"


def test_every_class_is_listed_above():
    assert {c.__name__ for c in CLASSES} == {"DimaError", *BUILTIN}


def test_drawing_names_every_class_and_its_builtin_base():
    drawn = dict(re.findall(r"(\w+)\((\w+)\)", errors.__doc__))
    assert drawn == {name: base.__name__ for name, base in BUILTIN.items()}


def test_data_type_error_is_a_data_error():
    assert issubclass(errors.DataTypeError, errors.DataError)
