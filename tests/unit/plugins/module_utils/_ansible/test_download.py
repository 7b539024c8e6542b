# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads from a server on this machine that behaves well or badly."""

from __future__ import annotations

import base64
import http.server
import os
import socket
import subprocess
import sys
import threading

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import download
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError

SIZE = 1 << 20
CONTENT = bytes(range(256)) * (SIZE // 256)
PASSWORD = "opensesame"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        name = self.path.lstrip("/").partition("?")[0]
        getattr(self, f"answer_{name.partition('.')[0]}")()

    def answer(self, status=200, body=CONTENT, length=None, **headers):
        self.send_response(status)
        if length != "none":
            self.send_header("Content-Length", str(len(body) if length is None else length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def answer_good(self):
        self.answer()

    def answer_moved(self):
        self.answer(302, b"", Location="/good")

    def answer_away(self):
        self.answer(302, b"", Location="file://deploy:secret@127.0.0.1/x?token=hidden")

    def answer_astray(self):
        self.answer(302, b"", Location="http://127.0.0.1:secret/x")

    def answer_labelled(self):  # as some servers label the file x.gz
        self.answer(Content_Encoding="gzip", Content_Type="application/x-gzip")

    def answer_short(self):
        self.answer(body=CONTENT[:5000], length=len(CONTENT))

    def answer_endless(self):
        self.answer(body=CONTENT + CONTENT, length="none")

    def answer_missing(self):
        self.answer(404, b"nothing here")

    def answer_broken(self):
        self.send_response(503, "Out of \x1b[31m order")
        self.end_headers()

    def answer_silent(self):
        self.server.wait.wait(20)

    def answer_private(self):
        wanted = "Basic " + base64.b64encode(f"deploy:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") == wanted:
            self.answer()
        else:
            self.answer(401, b"", WWW_Authenticate='Basic realm="images"')


@pytest.fixture
def server():
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.daemon_threads = True
    found.handle_error = lambda request, address: None  # a client that goes away early
    found.wait = threading.Event()
    threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_port}"
    found.wait.set()
    found.shutdown()
    found.server_close()


@pytest.fixture
def target(tmp_path):
    with open(tmp_path / "target", "w+b", buffering=0) as file:
        yield file


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def fetch(url, target, max_bytes=SIZE, **options):
    download.Fetcher(options)(url, target.fileno(), max_bytes)
    target.seek(0)
    return target.read()


def failure(url, target, **options):
    with pytest.raises(LauncherError) as caught:
        fetch(url, target, **options)
    assert "\x1b" not in str(caught.value) and "Traceback" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("path", ["good", "moved", "labelled"])
def test_the_file_as_it_is_on_the_server(server, target, path):
    assert fetch(f"{server}/{path}.img", target) == CONTENT


def test_with_a_password(server, target):
    assert fetch(f"{server}/private", target, url_username="deploy", url_password=PASSWORD) == CONTENT


@pytest.mark.parametrize("options", [{}, {"url_username": "deploy", "url_password": "wrong"}])
def test_without_the_right_one(server, target, options):
    error = failure(f"{server}/private", target, **options)
    assert "answers 401" in error.problem and error.remedy.startswith("Give url_username and url_password")


def test_a_module_without_such_options_names_one_that_has_them(server, target):
    with pytest.raises(LauncherError, match="401 Unauthorized.*coracle.launcher.container_rootfs"):
        download.Fetcher()(f"{server}/private", target.fileno(), SIZE)


def test_a_password_in_a_url_is_in_no_message(server, target):
    error = failure(server.replace("://", "://deploy:secret@") + "/missing?token=hidden", target)
    assert "secret" not in str(error) and "hidden" not in str(error)
    assert f"{server}/missing: the server answers 404" in error.problem


@pytest.mark.parametrize("url", [
    "http://deploy:secret/x@127.0.0.1/x", "http://127.0.0.1:secret/x", "http://127.0.0.1/x y?token=secret", "http://[::1/x?secret",
    "http://u:secret@127.0.0.1/\u00e9", f"http://u:secret@{'x' * 70}.invalid/"])
def test_what_is_no_url_is_in_no_message(target, url):
    error = failure(url, target)
    assert error.problem.endswith("is no valid URL, or leads to one that is none") and "secret" not in str(error)


@pytest.mark.parametrize("path, says", [("away", "302"), ("astray", "is no valid URL, or leads to one")])
def test_where_a_server_sends_us_is_in_no_message(server, target, path, says):
    error = failure(f"{server}/{path}", target)
    assert says in str(error) and "secret" not in str(error) and "hidden" not in str(error)


def test_an_answer_that_ends_early(server, target):
    error = failure(f"{server}/short", target)
    assert "closed 1043576 bytes before the end" in error.problem


@pytest.mark.parametrize("path", ["good", "endless"])
def test_no_more_than_asked(server, target, path):
    with pytest.raises(LauncherError) as caught:
        download.Fetcher({"max_bytes": "32K"})(f"{server}/{path}", target.fileno(), 100_000)
    error = caught.value
    assert "is larger than 100000 bytes" in error.problem and (error.option, error.value) == ("max_bytes", "32K")
    assert "container_rootfs" in failure(f"{server}/{path}", target, max_bytes=100_000).remedy
    assert os.fstat(target.fileno()).st_size <= 100_000


def test_what_a_server_says_is_shown_as_one_line(server, target):
    error = failure(f"{server}/broken", target)
    assert "answers 503 Out of \\x1b[31m order" in error.problem and error.remedy == "Try again later"


def test_a_server_that_says_nothing(server, target):
    error = failure(f"{server}/silent", target, timeout=0.2)
    assert "no byte came for 0.2 seconds" in error.problem and "timeout" in error.remedy


def test_nobody_there(target):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert "Connection refused" in failure(f"http://127.0.0.1:{port}/x", target).problem


def test_through_the_proxy_of_the_environment(server, target, monkeypatch):
    """The proxy that stands here knows one path only; the name does not exist, so nobody else can have answered."""
    monkeypatch.setenv("http_proxy", server)
    monkeypatch.setattr(Handler, "do_GET", lambda handler: handler.answer(200 if handler.path == "http://images.invalid/x" else 500))
    assert fetch("http://images.invalid/x", target) == CONTENT


def test_a_full_disk_is_not_the_servers_fault(server):
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(LauncherError, match="the archive cannot be stored on this host: No space left"):
            download.Fetcher()(f"{server}/good", fd, SIZE)
    finally:
        os.close(fd)


def test_nothing_of_it_is_loaded_before_the_first_download():
    code = ("import sys; from ansible_collections.coracle.launcher.plugins.module_utils._ansible import download; download.Fetcher({});"
            "raise SystemExit(int(any(name in sys.modules for name in ('ansible.module_utils.urls', 'http.client', 'ssl'))))")
    path = os.pathsep.join(name for name in sys.path if name)
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=False).returncode == 0
