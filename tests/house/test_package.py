"""What is declared about the package agrees with what is there."""

import importlib.metadata
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import dima
from house.rules import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PINS = {
    canonicalize_name(pin.name): pin.specifier
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
    for pin in [Requirement(line)]
}
# A CUDA build of torch brings these; the pins are those of its CPU build.
CUDA_ONLY = ("nvidia-", "cuda-", "triton")


def _direct():
    extras = (line for name, lines in EXTRAS.items() if name not in ("all", "tb") for line in lines)
    return [Requirement(line) for line in [*PROJECT["dependencies"], *extras]]


def _closure(requirements, seen):
    """Names of everything these requirements bring along, as installed here."""
    for need in requirements:
        name = canonicalize_name(need.name)
        if name in seen or name.startswith(CUDA_ONLY):
            continue
        seen.add(name)
        brought = map(Requirement, importlib.metadata.requires(name) or [])
        extras = ["", *need.extras]
        wanted = [
            r for r in brought if not r.marker or any(r.marker.evaluate({"extra": extra}) for extra in extras)
        ]
        _closure(wanted, seen)
    return seen


@pytest.mark.parametrize("need", _direct(), ids=str)
def test_pin_satisfies_the_declaration(need):
    (pin,) = PINS[canonicalize_name(need.name)]
    assert pin.operator == "=="
    assert pin.version in need.specifier


def test_everything_brought_along_is_pinned():
    assert _closure(_direct(), set()) - set(PINS) == set()


def test_all_is_every_extra_that_adds_to_what_a_user_can_do():
    (all_of_them,) = map(Requirement, EXTRAS["all"])
    assert all_of_them.name == PROJECT["name"]
    assert all_of_them.extras == set(EXTRAS) - {"all", "test", "tb"}


def test_version_has_one_source():
    assert "version" in PROJECT["dynamic"]
    assert str(Version(dima.__version__)) == dima.__version__


def test_changelog_opens_with_unreleased_and_agrees_with_the_version():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert headings[0] == "Unreleased"
    assert headings[1:2] in ([], [dima.__version__])


def test_types_are_shipped():
    assert (ROOT / "src/dima/py.typed").is_file()
