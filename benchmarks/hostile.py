"""Hostile input: how many cases are right or refused with the cause named, here and by the published package.

    python benchmarks/hostile.py [--rival peer=PYTHON]

The table is `tests/manifold/hostile/cases.py`, which the tests run as well; each case has a process of its
own. A case fails that crashes, hangs, gives a silent wrong answer, refuses what can be done, or raises an
exception that does not name the cause (`obscure`); of this project, one that is not one sentence under
DimaError. The peer is the published `dima` 0.1.6 (`peers/README.md`), with pandas beside it for the cases
with frames. Cases it has no counterpart of are left out of its score.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import dima

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from manifold.hostile.cases import CASES
from manifold.hostile.run import outcomes, passes

COMPILED = "JAX_COMPILATION_CACHE_DIR"
EVERY = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}


def score(name, found):
    """The cases that pass, those that fail and those left out, in words."""
    ran = [case for case in CASES if found.get(case.name, "left out") != "left out"]
    failed = [case for case in ran if not passes(case, found[case.name])]
    out = [case.name for case in CASES if case not in ran]
    lost = "".join(f"\n  {case.name}: {found[case.name]}, not {case.expect}" for case in failed)
    left = f"\n  left out, {len(out)}: {', '.join(out)}" if out else ""
    return f"{name}: {len(ran) - len(failed)} of {len(ran)}{lost}{left}"


def compared(python):
    """Outcomes of both packages by case; each line is printed as the later one ends its case."""
    found = {"dima": {}, "peer": {}}
    for name, outcome, _ in outcomes(sys.executable, "dima", Path(dima.__file__).parents[1]):
        found["dima"][name] = outcome
        if python is None:
            print(f"{name:42} {outcome}", flush=True)
    if python is not None:
        with tempfile.TemporaryDirectory() as compiled:
            for name, outcome, told in outcomes(python, "peer", **EVERY, **{COMPILED: compiled}):
                found["peer"][name] = outcome
                print(f"{name:42} {found['dima'][name]:10} {outcome:10} {told[:100]!r}", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rival", metavar="peer=PYTHON", help="interpreter that has the published package")
    asked = parser.parse_args()
    found = compared(None if asked.rival is None else asked.rival.split("=", 1)[1])
    for name, own in found.items():
        if own:
            print(score(name, own))


if __name__ == "__main__":
    main()
