"""A Hugging Face Hub of a hundred lines, on loopback: one thread, files in memory.

It runs inside the client's own process, which must set HF_ENDPOINT before huggingface_hub is
imported. Every request is recorded without its Authorization header, the one place a token may be.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40


class FakeHub(ThreadingHTTPServer):
    """The server, its repositories, and what it was told.

    Attributes:
        repos: repository -> file name -> bytes.
        requests: what came in, as text, one entry for each request.
        authorised: for each request, whether it carried the right token.
    """

    daemon_threads = True

    def __init__(self, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.token = token
        self.repos: dict[str, dict[str, bytes]] = {}
        self.requests: list[str] = []
        self.authorised: list[bool] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle("GET")

    def do_HEAD(self) -> None:
        self._handle("HEAD")

    def do_POST(self) -> None:
        self._handle("POST")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the log out of the test's output."""

    def _handle(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        others = [(n, v) for n, v in self.headers.items() if n.lower() != "authorization"]
        said = [f"{name}: {value}" for name, value in others]
        self.server.requests.append("\n".join([method, self.path, *said, body.decode("latin-1")]))
        right = self.headers.get("Authorization") == f"Bearer {self.server.token}"
        self.server.authorised.append(right)
        if not right:
            return self._json(401, {"error": "Invalid username or password."})
        path = unquote(urlsplit(self.path).path)
        for known, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, path)
            if method in known and match:
                answer(self, body, *match.groups())
                return None
        return self._json(404, {"error": "no such address"})

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        repo = f"{asked['organization']}/{asked['name']}"
        status = 409 if repo in self.server.repos else 200
        self.server.repos.setdefault(repo, {})
        self._json(status, {"url": f"{self.server.url}/{repo}", "name": repo})

    def validate(self, _body: bytes) -> None:
        self._json(200, {"errors": [], "warnings": []})

    def preupload(self, body: bytes, _repo: str) -> None:
        names = [file["path"] for file in json.loads(body)["files"]]
        modes = [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]
        self._json(200, {"files": modes})

    def commit(self, body: bytes, repo: str) -> None:
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                content = base64.b64decode(line["value"]["content"])
                self.server.repos[repo][line["value"]["path"]] = content
        url = f"{self.server.url}/{repo}/commit/{COMMIT}"
        self._json(200, {"commitUrl": url, "commitOid": COMMIT, "success": True})

    def info(self, _body: bytes, repo: str, revision: str) -> None:
        if repo not in self.server.repos:
            return self._json(404, {"error": "none"}, {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", COMMIT):
            return self._json(404, {"error": "none"}, {"X-Error-Code": "RevisionNotFound"})
        return self._json(200, {"id": repo, "sha": COMMIT, "siblings": []})

    def tree(self, _body: bytes, repo: str) -> None:
        files = self.server.repos[repo].items()
        listed = [
            {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for name, data in files
        ]
        self._json(200, listed)

    def resolve(self, _body: bytes, repo: str, name: str) -> None:
        data = self.server.repos[repo][name]
        tag = f'"{hashlib.sha1(data).hexdigest()}"'
        self._answer(200, data, {"ETag": tag, "X-Repo-Commit": COMMIT})

    def _json(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        kind = {"Content-Type": "application/json"}
        self._answer(status, json.dumps(value).encode(), kind | (headers or {}))

    def _answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


_MODEL = r"([\w.-]+/[\w.-]+)"
_ROUTES: list[tuple[tuple[str, ...], str, Callable[..., None]]] = [
    (("POST",), r"/api/repos/create", _Handler.create),
    (("POST",), r"/api/validate-yaml", _Handler.validate),
    (("POST",), rf"/api/models/{_MODEL}/preupload/main", _Handler.preupload),
    (("POST",), rf"/api/models/{_MODEL}/commit/main", _Handler.commit),
    (("GET",), rf"/api/models/{_MODEL}/revision/(.+)", _Handler.info),
    (("GET",), rf"/api/models/{_MODEL}/tree/{COMMIT}", _Handler.tree),
    (("GET", "HEAD"), rf"/{_MODEL}/resolve/{COMMIT}/(.+)", _Handler.resolve),
]
