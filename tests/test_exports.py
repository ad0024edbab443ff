"""What the package offers is what it lists, sorted, and every listed name can be had."""

import importlib

import pytest

import dima
from house.rules import exported, library, order

MODULES = [module for module in library() if exported(module)]


def _name(module):
    return module.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_listed_names_are_there_sorted_and_documented(module):
    loaded = importlib.import_module(_name(module))
    assert loaded.__all__ == sorted(set(loaded.__all__), key=order)
    for name in loaded.__all__:
        offered = getattr(loaded, name)
        if getattr(offered, "__module__", None) == loaded.__name__:
            assert not callable(offered) or offered.__doc__, f"{name} has no docstring"


@pytest.mark.parametrize("name", dima.__all__)
def test_front_door_opens(name):
    assert getattr(dima, name) is not None
    assert name in dir(dima)


def test_front_door_offers_what_the_quickstart_uses():
    assert {"DIMA", "ManifoldAutoencoder", "DMAP", "GPLM", "DDPM", "load", "errors"} <= {*dima.__all__}


def test_front_door_names_itself_like_its_home():
    assert dima.GPLM is importlib.import_module("dima.manifold.gplm").GPLM


def test_unknown_name_says_what_there_is():
    with pytest.raises(AttributeError, match=r"'NOPE'.*it offers.*ManifoldAutoencoder"):
        dima.NOPE  # noqa: B018 the access is the test


def test_version_is_a_release_number():
    assert all(part.isdigit() for part in dima.__version__.split("."))
