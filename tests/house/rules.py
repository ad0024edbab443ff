"""The rules a machine can hold, each a small function from a module to its faults.

A rule is one function in `RULES`; a way out of a rule is one line in `EXCEPTIONS`, with its reason.
"""

import ast
import dataclasses
import functools
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import dima

__all__ = [
    "EXCEPTIONS",
    "ROOT",
    "RULES",
    "Module",
    "exported",
    "faults",
    "library",
    "order",
    "place",
]

ROOT = Path(__file__).resolve().parents[2]
PAGE_LINES = 300
BODY_LINES = 40
FRONT_DOOR = {"dima", *(f"dima.{name}" for name in dima.__all__ if name != "errors")}

# (rule, place) -> reason; the place is a path below src/, for `body` with "::function" behind it.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("calls", "dima/__init__.py"): "the door loads names on first use, from a closed table",
}

DRAWERS = {"utils", "util", "core", "common", "helpers", "misc"}
FORBIDDEN_IMPORTS = {
    **dict.fromkeys(["pickle", "cloudpickle", "dill", "shelve", "marshal"], "it can execute code"),
    **dict.fromkeys(["matplotlib.pyplot", "pylab"], "global figures; use matplotlib.figure.Figure"),
}
FORBIDDEN_CALLS = {
    **dict.fromkeys(["eval", "exec", "__import__"], "it executes text"),
    **dict.fromkeys(["yaml.load", "yaml.unsafe_load"], "it executes code"),
    **dict.fromkeys(["joblib.load", "pandas.read_pickle"], "it executes code"),
    "importlib.import_module": "what is loaded must be readable in the source",
}
# "type: ignore[code] reason" or "noqa: CODE reason", both behind a hash.
SUPPRESSION = r"# *(type: *ignore|noqa)(\[[\w, -]+\]|: *[A-Z]+\d+(?:, *[A-Z]+\d+)*)?(.*)"
REQUIRED_FLAGS = {"torch.load": ("weights_only", True), "numpy.load": ("allow_pickle", False)}


@dataclasses.dataclass(frozen=True)
class Module:
    """One source file: where it stands below src/, and its text."""

    path: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @functools.cached_property
    def imports(self) -> dict[str, str]:
        """Local name -> what it stands for: `import numpy as np` gives np -> numpy."""
        names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    names[name.asname or name.name] = name.name
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for name in node.names:
                    names[name.asname or name.name] = f"{node.module}.{name.name}"
        return names

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call with its full dotted name, `np.load(...)` as numpy.load."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node, self._dotted(node.func)

    def _dotted(self, node: ast.expr) -> str:
        if isinstance(node, ast.Attribute):
            return f"{self._dotted(node.value)}.{node.attr}"
        return self.imports.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


def library() -> list[Module]:
    """Every module of src/dima."""
    files = sorted((ROOT / "src").rglob("*.py"))
    return [Module(p.relative_to(ROOT / "src").as_posix(), p.read_text("utf-8")) for p in files]


def faults(rule: str, module: Module) -> list[str]:
    """Faults of a module that no exception covers, as "path:line: what"."""
    found = (f"{module.path}{fault}" for fault in RULES[rule](module))
    return [fault for fault in found if (rule, place(fault)) not in EXCEPTIONS]


def place(fault: str) -> str:
    """Where a fault stands, the way `EXCEPTIONS` spells it."""
    told = re.match(r"[^:]+(::[\w.]+)?", fault)
    return told.group() if told else fault


# Each rule yields ":line: what", or "::function: what" where the place is a function.


def _docstring(module: Module) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield ":1: no docstring says what lives here"


def _page(module: Module) -> Iterator[str]:
    lines = module.text.count("\n")
    if lines > PAGE_LINES:
        yield f":1: {lines} lines; a file is a page of {PAGE_LINES}"


def _body(module: Module) -> Iterator[str]:
    for name, function in _functions(module.tree, ""):
        lines = _body_lines(function)
        if lines > BODY_LINES:
            yield f"::{name}: {lines} body lines; at most {BODY_LINES}"


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not isinstance(child, ast.ClassDef):
                yield prefix + child.name, child
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)


def _body_lines(function: ast.FunctionDef) -> int:
    code = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - code[0].lineno + 1 if code else 0


def _drawer(module: Module) -> Iterator[str]:
    for part in Path(module.path).with_suffix("").parts:
        if part.strip("_") in DRAWERS:
            yield f":1: {part!r} is a drawer without a label; name what is in it"


def _frameworks(module: Module) -> Iterator[str]:
    roots = {name.split(".")[0] for name in module.imports.values()}
    if {"jax", "torch"} <= roots:
        yield ":1: imports both jax and torch; they meet as NumPy arrays"


def _imports(module: Module) -> Iterator[str]:
    for name in module.imports.values():
        for bad, why in FORBIDDEN_IMPORTS.items():
            if f"{name}.".startswith(f"{bad}."):
                yield f":1: imports {name}: {why}"


def _calls(module: Module) -> Iterator[str]:
    for call, name in module.calls():
        if name in FORBIDDEN_CALLS:
            yield f":{call.lineno}: {name}: {FORBIDDEN_CALLS[name]}"
        flag, value = REQUIRED_FLAGS.get(name, ("", None))
        given = {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}
        if flag and given.get(flag) is not value:
            yield f":{call.lineno}: {name} without {flag}={value}"


def _print(module: Module) -> Iterator[str]:
    for call, name in module.calls():
        if name == "print" and not module.path.startswith("dima/cli"):
            yield f":{call.lineno}: only the command line prints"


def _window(module: Module) -> Iterator[str]:
    for call, name in module.calls():
        if name.endswith(".show"):
            yield f":{call.lineno}: {name} opens a window"


def _bare_except(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield f":{node.lineno}: a bare except swallows what nobody expected"


def _loose_end(module: Module) -> Iterator[str]:
    for number, line in enumerate(module.text.splitlines(), start=1):
        if re.search(r"\b(TODO|FIXME)\b", line):
            yield f":{number}: a loose end; finish it or file it"


def _suppression(module: Module) -> Iterator[str]:
    """A silenced checker names its code and the reason, behind it or on the line above."""
    lines = module.text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        told = re.match(SUPPRESSION, token.string)
        if token.type != tokenize.COMMENT or not told:
            continue
        number = token.start[0]
        above = lines[number - 2].lstrip().startswith("#") if number > 1 else False
        if not told[2]:
            yield f":{number}: {told[1]} without a code"
        elif not (told[3].strip(" #-:") or above):
            yield f":{number}: {told[1]} without a reason"


def _door(module: Module) -> Iterator[str]:
    for name in module.imports.values():
        if name in FRONT_DOOR:
            yield f":1: imports {name} through the front door, a hidden cycle; import its module"


def _exports(module: Module) -> Iterator[str]:
    public = {
        node.name
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    listed = exported(module)
    if listed != sorted(listed, key=order):
        yield f":1: __all__ is not sorted; expected {sorted(listed, key=order)}"
    for name in sorted(public - set(listed)):
        yield f":1: {name} is public but not in __all__; list it or underscore it"


def exported(module: Module) -> list[str]:
    """The names in `__all__`, as written; empty if there is none."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def order(name: str) -> tuple[int, list[str | int]]:
    """The order ruff keeps: CONSTANTS, Classes, functions; numbers by value within each."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


RULES: dict[str, Callable[[Module], Iterator[str]]] = {
    "docstring": _docstring,
    "page": _page,
    "body": _body,
    "drawer": _drawer,
    "frameworks": _frameworks,
    "imports": _imports,
    "calls": _calls,
    "print": _print,
    "window": _window,
    "bare_except": _bare_except,
    "loose_end": _loose_end,
    "suppression": _suppression,
    "door": _door,
    "exports": _exports,
}
