"""Every example in a docstring of the library runs and shows what it says."""

import doctest
import importlib

import numpy as np
import pytest

from house.rules import library

# The text is read first, so that a module without examples is not imported, nor its framework.
WITH_EXAMPLES = [
    module.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for module in library()
    if ">>> " in module.text
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name):
    module = importlib.import_module(name)
    flags = doctest.NORMALIZE_WHITESPACE
    done = doctest.testmod(module, extraglobs={"np": np}, optionflags=flags)
    assert done.attempted > 0
    assert done.failed == 0
