"""The README and the guides tell the truth: their Python runs, their commands exist."""

import re
import shlex

import pytest

from dima.cli import VERBS, run
from dima.latent.ddpm import DDPM
from house.rules import ROOT

INSTALL = "python -m pip install -c constraints.txt '.[all,test]'"
TEST_COMMAND = f"{INSTALL} && python -m pytest -n auto --dist loadscope"
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
PAGES = ["README.md", *sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/guide/*.md"))]


def _blocks(text, language):
    """Fenced blocks of a language, kept on its line of the page by blank lines."""
    for fence in FENCE.finditer(text):
        if fence[1] == language:
            yield "\n" * text.count("\n", 0, fence.start(2)) + fence[2]


def _page(name):
    path = ROOT / name
    if not path.is_file():
        pytest.fail(f"{name} is missing; the pages a newcomer reads are part of the tests")
    return path.read_text("utf-8")


def _briefly(prior, *given, fit=DDPM.fit, **named):
    return fit(prior.set_params(n_iter=min(prior.n_iter or 20, 20)), *given, **named)


def _verbs(text):
    """Verb -> flags, of every `dima ...` command in the sh blocks."""
    verbs = {}
    for block in _blocks(text, "sh"):
        for command in re.split(r"&&|\||;|\n", block.replace("\\\n", " ")):
            words = shlex.split(command, comments=True)
            if words[:1] == ["dima"] and len(words) > 1 and not words[1].startswith("-"):
                flags = {word.split("=")[0] for word in words if word.startswith("--")}
                pair = " ".join(words[1:3])
                verbs.setdefault(pair if pair in VERBS else words[1], set()).update(flags)
    return verbs


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_python_blocks_run_in_order(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Whatever a page asks for, a prior trains for a moment: tests/model trains one in full.
    monkeypatch.setattr(DDPM, "fit", _briefly)
    namespace = {"__name__": "__main__"}
    for block in _blocks(_page(name), "python"):
        exec(compile(block, name, "exec"), namespace)


@pytest.mark.parametrize("name", PAGES)
def test_commands_exist_with_their_flags(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    for verb, flags in _verbs(_page(name)).items():
        code, shown = run([*verb.split(), "--help"]), capsys.readouterr()
        assert code == 0, f"{name}: dima {verb} --help: {shown.err or shown.out}"
        unknown = {flag for flag in flags if flag not in shown.out}
        assert not unknown, f"{name}: `dima {verb}` does not know {sorted(unknown)}"


def test_readme_holds_the_test_command():
    lines = [line for block in _blocks(_page("README.md"), "sh") for line in block.splitlines()]
    assert TEST_COMMAND in lines, "the command .ci/run takes from the README is not in an sh block"


def test_blocks_keep_their_line_numbers():
    (block,) = _blocks("one\n\n```python\nx = 1\n```\n```sh\nls\n```\n", "python")
    assert block.splitlines() == ["", "", "", "x = 1"]


def test_verbs_are_read_through_operators_and_continuations():
    lines = [
        "ls && dima demo; dima image map --data x",
        "dima fit a.npy \\",
        "  --dmap.alpha=1 # why",
        "dima --help",
    ]
    page = "\n".join(["```sh", *lines, "```", ""])
    assert _verbs(page) == {"demo": set(), "image map": {"--data"}, "fit": {"--dmap.alpha"}}
