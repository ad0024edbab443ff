"""Nothing hostile crashes the manifold autoencoder, hangs it, or gets a silent wrong answer.

The table is in `hostile/cases.py`; `benchmarks/hostile.py` runs it against the published package too.
"""

import subprocess
import sys
from pathlib import Path

import pytest

import dima
from manifold.hostile.cases import CASES, EITHER, REFUSED, RIGHT, Case
from manifold.hostile.run import TESTS, environment, outcomes, passes

SOURCE = Path(dima.__file__).parents[1]


@pytest.fixture(scope="module")
def found():
    """Outcome of every case and what was told."""
    return {name: told for name, *told in outcomes(sys.executable, "dima", SOURCE)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_right_or_refused_in_one_sentence(found, case):
    outcome, told = found[case.name]
    assert passes(case, outcome), f"{outcome}, not {case.expect}: {told}"


def test_names_are_different():
    assert len({case.name for case in CASES}) == len(CASES)


FAULTS = {
    "crash": "os.abort()",
    "hang": "time.sleep(60)",
    "obscure": "1 / 0",
    "wrong": "(np.full((3, 1), np.nan), X, 1)",
    "right": "(X, X, 1)",
    "refused": "int('x: must be y')",
}
SCRIPT = """
import os, time
import numpy as np
from manifold.hostile.cases import EITHER, Case
from manifold.hostile.run import run

class Side:
    limit = 1.0

    def load(self):
        pass

    def refusal(self, fault):
        return "refused"

case = Case("case", EITHER, lambda: np.arange(3.0)[:, None], lambda side, X: {act}, cause="must")
print(run(case, Side())[0])
"""


@pytest.mark.parametrize("outcome", FAULTS)
def test_outcome_is_seen(outcome):
    command = [sys.executable, "-c", SCRIPT.replace("{act}", FAULTS[outcome])]
    asked = subprocess.run(command, cwd=TESTS, env=environment(), capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == outcome


@pytest.mark.parametrize(
    ("expect", "fair"),
    [(RIGHT, {"right"}), (REFUSED, {"refused", "raised"}), (EITHER, {"right", "refused", "raised"})],
)
def test_what_passes(expect, fair):
    case = Case("case", expect, list)
    every = {"right", "refused", "raised", "wrong", "obscure", "crash", "hang"}
    assert {outcome for outcome in every if passes(case, outcome)} == fair
