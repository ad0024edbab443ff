"""A folder up, a snapshot down, against a hub on loopback; the token goes nowhere else."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dima.errors import ArtifactError, BackendError, SettingError
from dima.store import load, save
from dima.store.artifact import FILES
from dima.store.hub import download, upload
from store.samples import assert_same, small

CANARY = "hf_canary0123456789"

# The client reads HF_ENDPOINT when it is imported, so each run has an interpreter of its own.
HEAD = """
import os, sys
from pathlib import Path
from store.fake_hub import FakeHub

token, work = sys.stdin.readline().strip(), Path(sys.argv[1])
fake = FakeHub(token)
os.environ.setdefault("HF_ENDPOINT", fake.url)

from dima.errors import DimaError
from dima.store.hub import download, upload

def tell(call, *arguments):
    try:
        print(type(call(*arguments)).__name__)
    except DimaError as told:
        print(f"{type(told).__name__}: {told}")
        # A missing file is the one thing that may stand behind it: no text of the client's.
        assert told.__cause__ is None and isinstance(told.__context__, FileNotFoundError | None)
"""


def _run(work: Path, code: str, **more: str) -> str:
    """What `code` prints in an interpreter that knows no hub but the fake one."""
    tests, source = Path(__file__).parents[1], Path(sys.modules["dima"].__path__[0]).parent
    env = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": f"{tests}{os.pathsep}{source}",
        "HOME": str(work),
        "HF_HOME": str(work / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **more,
    }
    child = [sys.executable, "-c", HEAD + code, str(work)]
    done = subprocess.run(child, input=CANARY + "\n", env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no bar and no warning where there is no terminal"
    assert CANARY not in done.stdout
    return done.stdout


UP_AND_DOWN = """
print(upload(work / "m", "user/model", token).removeprefix(fake.url))
upload(work / "m", "user/model", token)  # again, into a repository that exists
print(sorted(fake.repos["user/model"]))
for revision in (None, "main", "c" * 40):
    print(download("user/model", token, revision).relative_to(work))
(work / "requests.txt").write_text("\\n\\n".join(fake.requests))
assert all(fake.authorised)
"""


def test_what_goes_up_comes_down_and_the_token_stays_in_its_header(tmp_path: Path) -> None:
    save(tmp_path / "m", small())
    address, sent, *places = _run(tmp_path, UP_AND_DOWN).splitlines()
    assert (address, sent) == ("/user/model", str(sorted(FILES)))
    assert len(set(places)) == 1
    assert_same(load(tmp_path / places[0]), small())
    for name in FILES:
        assert (tmp_path / places[0] / name).read_bytes() == (tmp_path / "m" / name).read_bytes()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert tmp_path / "requests.txt" in files
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]


ONLY_FOUR = """
upload(work / "m", "user/model", token)
fake.repos["user/model"] |= {"code.py": b"x", "sub/config.json": b"x", ".gitattributes": b"x"}
place = download("user/model", token)
print(sorted(file.name for file in place.iterdir()))
print(any("code.py" in request for request in fake.requests))
(place / "config.json").write_text("damaged")
assert download("user/model", token) == place
print((place / "config.json").read_bytes() == (work / "m" / "config.json").read_bytes())
del fake.repos["user/model"]["MANIFEST.json"]
fake.repos["user/other"] = fake.repos["user/model"]
tell(download, "user/other", token)
"""


def test_only_the_four_files_come_down_each_time_whole(tmp_path: Path) -> None:
    save(tmp_path / "m", small())
    listed, asked_for_more, healed, missing = _run(tmp_path, ONLY_FOUR).splitlines()
    assert listed == str(sorted(FILES))
    assert (asked_for_more, healed) == ("False", "True")
    assert missing.startswith("ArtifactError: user/other/MANIFEST.json: it must be there")


REFUSALS = """
tell(download, "user/none", token)
fake.repos["user/model"] = {}
tell(download, "user/model", token, "v9")
tell(download, "user/model", token)
tell(upload, work / "m", "user/model", "hf_wrong")
tell(upload, work / "m", "user/model", None)
"""


def test_each_refusal_is_one_sentence(tmp_path: Path) -> None:
    save(tmp_path / "m", small())
    none, revision, empty, wrong, anonymous = _run(tmp_path, REFUSALS).splitlines()
    assert none.startswith("ArtifactError: download: user/none must be a repository you can read")
    assert revision.startswith("ArtifactError: download: user/model must be a repository with that revision")
    assert empty.startswith("ArtifactError: user/model/README.md: it must be there")
    for told in (wrong, anonymous):
        assert told.startswith("BackendError: upload: user/model on the Hub must be reachable")
        assert "401" in told
        assert "hf_wrong" not in told


def test_unreachable_hub_is_told(tmp_path: Path) -> None:
    save(tmp_path / "m", small())
    code = 'tell(download, "user/model", token)\ntell(upload, work / "m", "user/model", token)'
    told = _run(tmp_path, code, HF_ENDPOINT="http://127.0.0.1:9").splitlines()
    assert len(told) == 2
    assert all("user/model on the Hub must be reachable" in line for line in told)


def test_missing_package_is_told_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "m", small())
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: upload(tmp_path / "m", "user/model", None), lambda: download("user/m")):
        with pytest.raises(BackendError, match=r'pip install "dima-manifold\[hf\]"'):
            call()


def _client(fault: Exception) -> Any:
    """A huggingface_hub whose every call fails."""

    def fail(*_: Any, **__: Any) -> None:
        raise fault

    utils = SimpleNamespace(are_progress_bars_disabled=lambda: True)
    calls = dict.fromkeys(["create_repo", "upload_folder", "snapshot_download"], fail)
    return SimpleNamespace(**calls, utils=utils, get_token=lambda: "hf_saved0123456789")


@pytest.mark.parametrize("secret", [CANARY, "hf_saved0123456789"])
def test_token_is_struck_from_what_the_client_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    save(tmp_path / "m", small())
    client = _client(RuntimeError(f"Illegal header value b'Bearer {secret}'\nand so on"))
    monkeypatch.setattr("dima.store.hub._huggingface_hub", lambda _: client)
    for call in (lambda: upload(tmp_path / "m", "u/m", CANARY), lambda: download("u/m", CANARY)):
        with pytest.raises(BackendError, match=r"b'Bearer \*\*\*' and so on") as told:
            call()
        assert told.value.__cause__ is None
        assert told.value.__context__ is None


@pytest.mark.parametrize(
    "repo_id",
    ["model", "a/b/c", "../x", "a/..", "user/", "/model", "user/mo del", "a/b\n", "", "ü/m",
     "-a/b", "a/" + "b" * 96, "https://x/y", "a..b/c"],
)  # fmt: skip
def test_name_of_a_repository_is_checked(tmp_path: Path, repo_id: str) -> None:
    for call in (lambda: download(repo_id), lambda: upload(tmp_path, repo_id, None)):
        with pytest.raises(SettingError, match="repo_id must be 'user/model'"):
            call()


@pytest.mark.parametrize("revision", ["", "../../x", "a/../b", "/etc", "a b", "-x", "a\n"])
def test_revision_is_checked(revision: str) -> None:
    with pytest.raises(SettingError, match="revision must be the name of a branch"):
        download("user/model", revision=revision)


@pytest.mark.parametrize("token", ["", f"{CANARY}\n", f"{CANARY} x", f"{CANARY}\r\nHost: x", "hf_ü"])
def test_malformed_token_is_refused_and_not_shown(tmp_path: Path, token: str) -> None:
    for call in (lambda: download("u/m", token), lambda: upload(tmp_path, "u/m", token)):
        with pytest.raises(SettingError, match="token must be one word") as told:
            call()
        assert "hf_" not in str(told.value)


def test_unsound_folder_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dima.store.hub._huggingface_hub", lambda _: pytest.fail("reached the hub"))
    saved = save(tmp_path / "m", small())
    (saved / "notes.txt").touch()
    with pytest.raises(ArtifactError, match=r"m/notes\.txt"):
        upload(saved, "user/model", CANARY)
