"""Which small faults no test notices: a seeded sample of mutants of `noise` and `latent`.

A full run would take a day, as JAX compiles in each. So mutants are drawn evenly from all that cosmic-ray
finds with the operators below, and each is run against the mirror of its page and the tests nearest to it.
Operators that break every line (`+` into `>>`) or none (a `jit` taken off) are left out: they would only
flatter the share. Mutants live in a copy. A run beyond the limit is told apart: it may be a hang, or a slow
machine. Tests must pass before.

    python -m pip install 'cosmic-ray==8.7.*'
    python benchmarks/mutants.py [--count 60] [--seed 0] [--limit 300] [--pages noise/grid latent/train]
"""

import argparse
import collections
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkResult

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("noise", "latent")
SWAPS = ["Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_Mul", "Pow_Mul"]
COMPARISONS = ["Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is"]
OPERATORS = {
    *(f"core/ReplaceBinaryOperator_{swap}" for swap in SWAPS),
    *(f"core/ReplaceComparisonOperator_{swap}" for swap in COMPARISONS),
    *("core/ReplaceUnaryOperator_Delete_USub", "core/ReplaceUnaryOperator_Delete_Not", "core/AddNot"),
    *(
        "core/ReplaceTrueWithFalse",
        "core/ReplaceFalseWithTrue",
        "core/ReplaceAndWithOr",
        "core/ReplaceOrWithAnd",
    ),
    *("core/NumberReplacer", "core/ZeroIterationForLoop"),
}
# Tests beside the mirror of a page.
NEAREST = {
    "latent/condition": ["latent/test_ddpm_guide.py"],
    "latent/ddpm": ["latent/test_ddpm_guide.py", "latent/test_ddpm_settings.py"],
    "latent/ddpm_fit": ["latent/test_ddpm_settings.py", "latent/test_ddpm.py"],
    "latent/denoiser": ["latent/test_ddpm_settings.py"],
    "latent/objective": ["latent/test_ddpm_settings.py"],
    "latent/train": ["latent/test_ddpm_settings.py"],
    **{
        f"noise/{page}": ["noise/test_solver.py"]
        for page in ("first_order", "heun", "multistep", "unipc", "table", "sampling")
    },
}


def mutants(pages: list[str]) -> list[MutationSpec]:
    """All mutants of the pages, in a fixed order."""
    paths = [Path("src/dima", f"{page}.py") for page in pages]
    with use_db(":memory:", WorkDB.Mode.create) as session:
        init(paths, session, {})
        found = [mutant for item in session.work_items for mutant in item.mutations]
    kept = [mutant for mutant in found if mutant.operator_name in OPERATORS]
    return sorted(kept, key=lambda m: (str(m.module_path), m.start_pos, m.operator_name, m.occurrence))


def run(mutant: MutationSpec, limit: float) -> WorkResult:
    page = "/".join(mutant.module_path.with_suffix("").parts[-2:])
    room, name = page.split("/")
    tests = [f"tests/{test}" for test in (f"{room}/test_{name}.py", *NEAREST.get(page, []))]
    return mutate_and_test(
        [mutant], f"{sys.executable} -m pytest -q -x -p no:randomly {' '.join(tests)}", limit
    )


def verdict(result: WorkResult) -> str:
    if result.test_outcome == TestOutcome.SURVIVED:
        return "SURVIVED"
    if result.output == "timeout":
        return "too long"
    return "killed" if result.test_outcome == TestOutcome.KILLED else "broken"


def changed(result: WorkResult) -> str:
    lines = [line for line in (result.diff or "").splitlines() if line[:1] in "+-"]
    return "\n".join(f"    {line}" for line in lines if not line.startswith(("---", "+++")))


def main() -> None:
    every = [
        f"{room}/{page.stem}"
        for room in ROOMS
        for page in sorted((ROOT / "src/dima" / room).glob("[!_]*.py"))
    ]
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--count", type=int, default=60, help="mutants to run")
    ask.add_argument("--seed", type=int, default=0, help="of the sample")
    ask.add_argument("--limit", type=float, default=300.0, help="seconds of a mutant")
    ask.add_argument("--pages", nargs="+", choices=every, default=every, metavar="ROOM/PAGE")
    asked = ask.parse_args()
    os.environ |= {"PYTHONPATH": "src", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="dima-mutants-") as copy:
        for name in ("src", "tests"):
            shutil.copytree(ROOT / name, Path(copy, name), ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        os.chdir(copy)
        known = mutants(asked.pages)
        drawn = random.Random(asked.seed).sample(known, min(asked.count, len(known)))
        print(f"{len(drawn)} of {len(known)} mutants, seed {asked.seed}", flush=True)
        tally = collections.Counter[str]()
        for mutant in drawn:
            result = run(mutant, asked.limit)
            tally[verdict(result)] += 1
            print(f"{verdict(result):8} {mutant.module_path}:{mutant.start_pos[0]}", flush=True)
            print(changed(result), flush=True)
        os.chdir(ROOT)
    print(", ".join(f"{count} {name}" for name, count in tally.most_common()))


if __name__ == "__main__":
    main()
