"""The tree keeps its shape: a test beside every module, no traces of a machine, no heavy files."""

import ast
import re
import subprocess

import pytest

from house.rules import ROOT, Module, library

MAX_BYTES = 2_000_000
SHORT = 75  # lines of a page that needs no mirror of its own
# Folders a person keeps a home or a workbench in; written so that this line is not one of them.
MACHINE_PATH = re.compile(r"(?<![\w.:/~-])/(?:root|work|home|Users)/\w|/tmp/[w]/|[A-Z]:\\Users\\")

# Modules without a mirror -> where their truth is tested instead.
TESTED_ELSEWHERE: dict[str, list[str]] = {
    "dima/__init__.py": ["tests/test_exports.py"],  # the door is what it exports
    "dima/model/pixel_autoencoder.py": ["tests/model/test_image_autoencoder.py"],  # the plainest that is one
    "dima/image/direct/distil.py": ["tests/model/test_direct.py"],  # by the estimator that holds it
}


def _mirrors(module):
    """Where a module's tests may stand; a package's own code is tested under the package's name."""
    *folders, name = module.path.removeprefix("dima/").removesuffix(".py").split("/")
    if name == "__init__" and folders:
        name = folders[-1]
        return ["/".join(["tests", *at, f"test_{name}.py"]) for at in (folders, folders[:-1])]
    return ["/".join(["tests", *folders, f"test_{name.lstrip('_')}.py"])]


def _has_code(module):
    return any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in ast.walk(module.tree))


def _is_tested(module):
    """A page has a mirror; a short one may be tested with its neighbours, in the mirror of its folder."""
    mirrors = TESTED_ELSEWHERE.get(module.path, _mirrors(module))
    if any((ROOT / mirror).is_file() for mirror in mirrors):
        return True
    folder = (ROOT / mirrors[0]).parent
    has_tests = any(folder.glob("test_*.py")) or folder.with_name(f"test_{folder.name}.py").is_file()
    return module.text.count("\n") <= SHORT and has_tests


def _tracked():
    """Files of the project: what git sees, or without git the folders it would see."""
    try:
        asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        folders = ("src", "tests", "docs", "benchmarks", "examples", ".ci")
        inside = (file for folder in folders for file in (ROOT / folder).rglob("*"))
        files = [file for file in [*ROOT.glob("*"), *inside] if "__pycache__" not in file.parts]
    return [file for file in files if file.is_file()]


def _faulty_lines(text):
    return [n for n, line in enumerate(text.splitlines(), 1) if MACHINE_PATH.search(line)]


@pytest.mark.parametrize("module", [*filter(_has_code, library())], ids=lambda module: module.path)
def test_module_has_a_mirror(module):
    assert _is_tested(module), f"{module.path} is tested nowhere; write {_mirrors(module)[0]}"


def test_a_page_without_tests_is_found():
    assert not _is_tested(Module("dima/noise/unheard_of.py", "x = 1\n" * (SHORT + 1)))
    assert _is_tested(Module("dima/noise/unheard_of.py", "x = 1\n"))
    assert not _is_tested(Module("dima/nowhere/short.py", "x = 1\n"))


def test_listed_modules_exist():
    assert set(TESTED_ELSEWHERE) <= {module.path for module in library()}


@pytest.mark.parametrize(
    ("path", "mirrors"),
    [
        ("dima/errors.py", ["tests/test_errors.py"]),
        ("dima/noise/solver.py", ["tests/noise/test_solver.py"]),
        ("dima/data/__init__.py", ["tests/data/test_data.py", "tests/test_data.py"]),
        ("dima/cli/_table.py", ["tests/cli/test_table.py"]),
    ],
)
def test_mirrors_of(path, mirrors):
    assert _mirrors(Module(path, "")) == mirrors


def test_no_file_names_a_machine():
    found = []
    for file in _tracked():
        text = file.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{file.relative_to(ROOT)}:{n}" for n in _faulty_lines(text)]
    assert not found, found


@pytest.mark.parametrize("root", ["root", "home", "Users", "work"])
def test_machine_path_is_seen(root):
    assert _faulty_lines(f"x\ndata = '/{root}/me/data'\n") == [2]
    assert _faulty_lines(f"see example.org/{root}/me and data/{root}/me\n") == []


def test_no_file_is_heavy():
    assert ROOT / "pyproject.toml" in _tracked()
    heavy = [f"{f.relative_to(ROOT)}" for f in _tracked() if f.stat().st_size > MAX_BYTES]
    assert not heavy, f"over {MAX_BYTES} bytes: {heavy}"
