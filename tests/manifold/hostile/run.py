"""Runs the table, each case in a process of its own: `python -m manifold.hostile.run SIDE [NAMES]`.

Prints a line of JSON for each: name, outcome, what was told. Cases are forked off this process, so
that one that crashes, hangs or is killed is seen and takes no other with it. What can be imported before is.
"""

import json
import multiprocessing
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

from manifold.hostile.acts import code
from manifold.hostile.cases import CASES, EITHER
from manifold.hostile.data import sheet
from manifold.hostile.sides import SIDES

__all__ = ["TESTS", "environment", "outcomes", "passes", "run"]

TESTS = Path(__file__).parents[2]


def outcomes(python, name, source=None, **more):
    """Name, outcome and what was told of each case of a side, as they come, by an interpreter that has it.

    `source` is the folder its package is in, where the interpreter does not find it; `more` variables.
    """
    command = [python, "-m", "manifold.hostile.run", name]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=TESTS, env=environment(source, **more), **quiet) as server:
        for line in server.stdout:
            yield tuple(json.loads(line))
    if server.returncode:
        raise RuntimeError(f"{name}: the server of the cases ended with code {server.returncode}")


def environment(source=None, **more):
    """Variables of a server: one thread, and no package that the interpreter is not to find."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    paths = {} if source is None else {"PYTHONPATH": str(source)}
    return kept | paths | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} | more


def passes(case, outcome):
    """Whether an outcome is what the case expects; of other packages any telling exception is a refusal."""
    outcome = "refused" if outcome == "raised" else outcome
    return outcome in ("right", "refused") if case.expect == EITHER else outcome == case.expect


def tried(case, side):
    """Outcome of a case and what was told: right, refused (or raised), wrong or obscure."""
    side.load()
    X = case.make()
    try:
        result = case.act(side, X)
    except ModuleNotFoundError as fault:
        return "left out", str(fault)
    except Exception as fault:  # whatever it is, it is the outcome
        told = f"{type(fault).__name__}: {fault}"
        names_cause = re.search(case.cause, str(fault), re.IGNORECASE)
        return side.refusal(fault) if names_cause else "obscure", told
    fault = case.judge(X, result)
    return ("wrong", fault) if fault else ("right", "")


def _report(there, case, side):
    os.dup2(2, 1)  # what a package prints is no line of ours
    there.send(tried(case, side))


def run(case, side):
    """Outcome of a case in a child process: also crash or hang."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_report, args=(there, case, side))
    child.start()
    there.close()
    try:
        told = here.recv() if here.poll(side.limit) else ("hang", f"over {side.limit:.0f} s")
    except EOFError:
        child.join()
        told = "crash", f"exit code {child.exitcode}"
    child.kill()
    child.join()
    here.close()
    return told


def main():
    name, *wanted = sys.argv[1:]
    warnings.simplefilter("ignore")
    side = SIDES[name]()
    if side.survives_fork:
        side.load()
        code(side, sheet(20))  # imports the rest
    for case in CASES:
        if name in case.sides and (not wanted or case.name in wanted):
            outcome, told = run(case, side)
            print(json.dumps([case.name, outcome, told[:400]]), flush=True)


if __name__ == "__main__":
    main()
