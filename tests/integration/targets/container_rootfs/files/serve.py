#!/usr/bin/env python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""serve.py DIRECTORY: serve its files on 127.0.0.1, a free port, until DIRECTORY/end is there.

DIRECTORY/port gets the port, DIRECTORY/requests one line for each request. /broken/NAME ends in the middle of the file.
"""

from __future__ import annotations

import functools
import http.server
import pathlib
import sys
import time

directory = pathlib.Path(sys.argv[1])
PATIENCE = 300  # seconds after which it ends anyway


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        with open(directory / "requests", "a", encoding="ascii") as log:
            log.write(f"{self.path}\n")

    def do_GET(self):
        if not self.path.startswith("/broken/"):
            super().do_GET()
            return
        data = (directory / self.path[len("/broken/"):]).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:len(data) // 2])


server = http.server.HTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(directory)))
server.timeout = 0.1
(directory / "requests").touch()
(directory / "port.new").write_text(str(server.server_port), encoding="ascii")
(directory / "port.new").rename(directory / "port")
deadline = time.monotonic() + PATIENCE
while not (directory / "end").exists() and time.monotonic() < deadline:
    server.handle_request()
