"""The door: verbs, help, exit codes, what failures look like."""

import importlib
import inspect
import logging
import subprocess
import sys
import warnings

import pytest

from dima import __version__
from dima.cli import VERBS, app, docstring, main, run
from dima.cli.flags import EVERYWHERE, Common
from dima.errors import DataError
from dima.progress import is_quiet

CALL = [sys.executable, "-c", "from dima.cli import main; main()"]


@pytest.fixture
def verb():
    """Registers a verb for the length of a test."""
    yield lambda function: app.command(function, name="tried")
    del app["tried"]


@pytest.mark.parametrize("tokens", [["--help"], []])
def test_help_lists_every_verb_in_order(dima, tokens):
    ran = dima(*tokens)
    assert (ran.code, ran.err) == (0, "")
    places = [ran.out.index(f"│ {verb} ") for verb in VERBS if " " not in verb]
    assert places == sorted(places)
    assert "│ image " in ran.out
    below = dima("image").out
    assert all(f"│ {verb.removeprefix('image ')} " in below for verb in VERBS if " " in verb)
    assert "--install-completion" in ran.out


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_the_docstring_of_the_verb(dima, verb):
    module, name = VERBS[verb].split(":")
    function = getattr(importlib.import_module(module), name)
    assert docstring(VERBS[verb]) == inspect.getdoc(function)
    shown = dima(*verb.split(), "--help").out
    for line in filter(None, map(str.strip, inspect.getdoc(function).splitlines())):
        assert line in shown


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(dima, verb):
    ran = dima(*verb.split(), "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"  dima {verb}" in ran.out.split("Examples:")[1]
    assert all(flag in ran.out for flag in ("--json", "--config", "--seed", "--quiet"))


def test_python_m_is_the_same_command_line():
    done = subprocess.run([sys.executable, "-m", "dima", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("flag", [[], ["--quiet"]])
def test_quiet_is_heard_whatever_a_verb_calls_its_flags(dima, verb, flag):
    heard = []

    def tried(*, asked: Common = EVERYWHERE) -> None:
        heard.append((is_quiet(), asked.quiet))

    verb(tried)
    assert dima("tried", *flag).code == 0
    assert heard == [(bool(flag), bool(flag))]


def test_version(dima):
    assert dima("--version") == (0, f"{__version__}\n", "")


def test_help_loads_no_engine():
    code = "import sys; from dima.cli import run; run(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert "'rich'" in loaded
    assert not any(f"'{name}'" in loaded for name in ("numpy", "scipy", "sklearn", "jax", "matplotlib"))


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        (["fti"], 'dima: Unknown command "fti". Did you mean "fit"?'),
        (["encode", "--ouput"], "dima encode: Unknown option: --ouput. Did you mean --output?"),
        (["sample", "m", "-o", "x.npy", "-n", "no"], 'dima sample: Invalid value for -n: "no"'),
        (["info"], 'dima info: Command "info" parameter MODEL requires an argument.'),
    ],
)
def test_wrong_flags_are_one_line(dima, tokens, told):
    assert dima.refused(*tokens).startswith(told)


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        (DataError("X: it must be good; got bad. Mend it."), 2, "X: it must be good; got bad. Mend it.\n"),
        (KeyboardInterrupt(), 130, "Interrupted; unfinished files were removed.\n"),
        (MemoryError(), 2, "dima: the request must fit into memory; got more."),
        (SystemExit(3), 3, ""),
    ],
)
def test_failures_have_their_code_and_sentence(dima, verb, fault, code, told):
    def fail() -> None:
        raise fault

    verb(fail)
    ran = dima("tried")
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith(told)
    assert "Traceback" not in ran.err


def test_the_unexpected_is_a_bug_with_its_traceback(dima, verb):
    def fail() -> None:
        raise KeyError("spectrum")

    verb(fail)
    ran = dima("tried")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Traceback")
    assert ran.err.endswith(
        "This is a bug in dima (KeyError: 'spectrum'). Please report it with the lines above.\n"
    )


@pytest.mark.filterwarnings("default")
def test_warnings_and_records_are_lines(dima, verb):
    def speak() -> None:
        warnings.warn("DMAP: far away.", UserWarning, stacklevel=1)
        logging.getLogger("dima").info("step %d", 3)

    verb(speak)
    assert dima("tried") == (0, "", "Warning: DMAP: far away.\nstep 3\n")
    assert logging.getLogger("dima").handlers == []
    assert logging.getLogger("dima").propagate


def test_a_handler_of_the_root_does_not_tell_all_again(dima, verb, caplog):
    def tell() -> None:
        logging.getLogger("dima").info("step %d", 3)

    verb(tell)
    assert dima("tried").err.count("step 3") == 1
    assert "step 3" not in caplog.text  # what caplog hears is what reaches the root


def test_main_ends_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dima", "--version"])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("tokens", [["info", "MODEL", "--json"], ["sample", "--help"]])
def test_a_reader_that_goes_away_is_no_fault(desk, tokens):
    tokens = [str(desk / "bare") if token == "MODEL" else token for token in tokens]
    call = f"{sys.executable} -c 'from dima.cli import main; main()' {' '.join(tokens)} | true; "
    done = subprocess.run(
        ["bash", "-c", call + "exit ${PIPESTATUS[0]}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (141, "")


def test_refusal_in_a_process_of_its_own(tmp_path):
    tokens = ["encode", tmp_path / "none", tmp_path / "none.npy", "-o", tmp_path / "Z.npy"]
    done = subprocess.run([*CALL, *tokens], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"load: {tmp_path / 'none'} must be a saved model; got nothing there")
    assert done.stderr.count("\n") == 1


def test_run_takes_tokens_not_the_command_line_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pytest", "--nonsense"])
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"
