"""The source keeps the rules of the house, and each rule is able to fail."""

import pytest

from house.rules import EXCEPTIONS, RULES, Module, faults, library, place

LIBRARY = library()
HEAD = '"""A module."""\n'

# rule -> snippets it must refuse, each in a module named dima/noise/x.py or the one given.
BAD = {
    "docstring": ["import ast\n"],
    "page": [HEAD + "x = 1\n" * 300],
    "body": [
        HEAD + "def f():\n" + "    x = 1\n" * 41,
        HEAD + "class C:\n    def f(self):\n" + "        x = 1\n" * 41,
    ],
    "drawer": [("dima/noise/utils.py", HEAD), ("dima/core/x.py", HEAD), ("dima/_helpers.py", HEAD)],
    "frameworks": [
        HEAD + "import jax\nimport torch\n",
        HEAD + "import torch.nn\nfrom jax import jit\n",
    ],
    "imports": [
        HEAD + "import pickle\n",
        HEAD + "def f():\n    from pickle import loads\n",
        HEAD + "import matplotlib.pyplot as plt\n",
        HEAD + "from matplotlib import pyplot\n",
    ],
    "calls": [
        HEAD + "eval('1')\n",
        HEAD + "exec('1')\n",
        HEAD + "import yaml\nyaml.load('')\n",
        HEAD + "import importlib\nimportlib.import_module('os')\n",
        HEAD + "from importlib import import_module as take\ntake('os')\n",
        HEAD + "import torch\ntorch.load('a.pt')\n",
        HEAD + "import torch as th\nth.load('a.pt', weights_only=False)\n",
        HEAD + "import numpy as np\nnp.load('a.npy')\n",
        HEAD + "from numpy import load\nload('a.npy', allow_pickle=True)\n",
    ],
    "print": [HEAD + "print('x')\n"],
    "window": [HEAD + "from PIL import Image\nImage.show()\n", HEAD + "plt.show()\n"],
    "bare_except": [HEAD + "try:\n    x = 1\nexcept:\n    x = 2\n"],
    "loose_end": [HEAD + "# TODO: later\n", HEAD + "x = 1  # FIXME\n"],
    "suppression": [
        HEAD + "x = 1  # noqa\n",
        HEAD + "x = 1  # type: ignore\n",
        HEAD + "x = 1  # type: ignore[misc]\n",
        HEAD + "x = 1  # noqa: E501, N801\n",
    ],
    "door": [HEAD + "import dima\n", HEAD + "from dima import DIMA\n"],
    "exports": [
        HEAD + "__all__ = ['b', 'a']\n",
        HEAD + "__all__ = ['Class', 'CONSTANT']\n",
        HEAD + "__all__ = []\ndef f():\n    return 1\n",
        HEAD + "class C:\n    pass\n",
    ],
}

GOOD = {
    "page": HEAD + "x = 1\n" * 299,
    "body": HEAD + 'def f():\n    """Said\n' + "\n" * 50 + '    at length."""\n' + "    x = 1\n" * 40,
    "frameworks": HEAD + "import jaxtyping\nimport torch\n",
    "imports": HEAD + "from matplotlib.figure import Figure\nimport pickleball\n",
    "calls": HEAD + "import numpy as np\nnp.load('a', allow_pickle=False)\nmodel.eval()\n",
    "print": HEAD + "table.print()\n",
    "loose_end": HEAD + "TODOS = 1\n",
    "suppression": HEAD + "x = 1  # noqa: E501 a table\n# why\ny = 1  # type: ignore[misc]\n",
    "door": HEAD + "from dima import __version__\nfrom dima.errors import DimaError\n",
    "exports": HEAD + "__all__ = ['A2', 'A10', 'X', 'f']\ndef _g():\n    return 1\n",
}


def _module(case):
    path, text = case if isinstance(case, tuple) else ("dima/noise/x.py", case)
    return Module(path, text)


@pytest.mark.parametrize("rule", RULES)
def test_source_keeps_rule(rule):
    found = [fault for module in LIBRARY for fault in faults(rule, module)]
    assert not found, "\n".join([f"rule {rule!r} is broken:", *found])


def test_library_is_found():
    assert {"dima/__init__.py", "dima/errors.py", "dima/settings.py"} <= {m.path for m in LIBRARY}


@pytest.mark.parametrize(("rule", "case"), [(r, c) for r, cases in BAD.items() for c in cases])
def test_rule_can_fail(rule, case):
    assert faults(rule, _module(case))


@pytest.mark.parametrize("rule", GOOD)
def test_rule_lets_good_code_pass(rule):
    assert faults(rule, _module(GOOD[rule])) == []


def test_every_rule_is_shown_to_fail():
    assert set(BAD) == set(RULES)


def test_print_is_for_the_command_line():
    assert not faults("print", Module("dima/cli/info.py", HEAD + "print('x')\n"))


@pytest.mark.parametrize("exception", EXCEPTIONS)
def test_exception_is_still_needed(exception):
    rule, where = exception
    raised = {place(m.path + fault) for m in LIBRARY for fault in RULES[rule](m)}
    assert where in raised, "the exception covers nothing any more; delete it"


def test_exceptions_carry_a_reason():
    assert all(len(reason.split()) >= 3 for reason in EXCEPTIONS.values())
