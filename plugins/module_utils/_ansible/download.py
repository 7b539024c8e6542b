# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that are brought over HTTP, with the proxies, certificates and credentials that Ansible's own modules use.

Ansible's code for this takes a tenth of a second and more to import, so it is imported by the first download and not before.
"""

from __future__ import annotations

import os
import typing as t

from .._coracle.base import text
from .._coracle.base.errors import LauncherError

_PIECE = 1 << 18  # bytes read at once: small beside the memory of a host, large beside the cost of a call
_TIMEOUT = 30.0  # seconds without one byte

_LOGIN = "Give url_username and url_password of somebody who may read it"
_TRUST = "Add the certificate's authority to those that the host trusts, or, where the checksum is enough, give validate_certs: false"
_ELSEWHERE = "Bring it with the module coracle.launcher.container_rootfs, which has options for that, and give its image.digest"
_REMEDIES = {
    401: _LOGIN,
    403: _LOGIN,
    404: "Correct the URL",
    407: "Give the proxy's user and password in the environment of the task: https_proxy: http://USER:PASSWORD@PROXY:PORT",
}


class Fetcher:
    """Fetcher(options) is what work/sources.py calls: fetch(url, fd, max_bytes).

    `options`: of the module, of which `validate_certs`, `url_username`, `url_password`, `timeout` (seconds without a byte) and, for
    messages, `max_bytes` are used; a module that has none of them gives none: certificates are checked then, and nobody is logged in.
    """

    def __init__(self, options: dict[str, t.Any] | None = None):
        self._has_options = options is not None
        options = options or {}
        self._max_bytes = options.get("max_bytes")
        self._timeout = options.get("timeout") or _TIMEOUT
        self._arguments = {
            "validate_certs": options.get("validate_certs") is not False,
            "url_username": options.get("url_username"),
            "url_password": options.get("url_password"),
        }

    def __call__(self, url: str, fd: int, max_bytes: int) -> None:
        """Write what `url` answers to `fd`, piece by piece. LauncherError: no answer, an error, or more than `max_bytes`."""
        import http.client  # with the rest of what only a download needs

        from ansible.module_utils.urls import open_url

        shown = text.visible(text.shown_url(url))
        try:
            # Not decompressed: an archive is named by the digest of the file as it lies on the server.
            response = open_url(url, timeout=self._timeout, decompress=False, http_agent="coracle", **self._arguments)
            with response:
                if _announced(response.headers.get("Content-Length")) > max_bytes or not _copy(shown, response, fd, max_bytes):
                    raise self._too_large(shown, max_bytes)
        except (OSError, ValueError, http.client.HTTPException) as error:  # URLError and ssl.SSLError are OSErrors
            failure = _failure(shown, error, self._timeout)
            if failure.remedy in (_LOGIN, _TRUST) and not self._has_options:
                failure.remedy = _ELSEWHERE
            raise failure from error

    def _too_large(self, shown: str, max_bytes: int) -> LauncherError:
        problem = f"the archive at {shown} is larger than {max_bytes} bytes"
        if self._max_bytes is None:
            return LauncherError(problem, remedy=_ELSEWHERE)
        return LauncherError(f"{problem}, which is that and 64 MiB for what an archive has beside its files", option="max_bytes",
                             value=self._max_bytes, remedy="If that is the right archive, give max_bytes a larger value")


def _copy(shown: str, response: t.Any, fd: int, max_bytes: int) -> bool:
    """Write the answer to `fd`. False when it has more than `max_bytes`."""
    size = 0
    while True:
        piece = response.read(_PIECE)
        if not piece:
            break
        size += len(piece)
        if size > max_bytes:
            return False
        _write(fd, piece)
    # http.client says nothing of an answer that ends early when it is read in pieces.
    if response.length:
        raise LauncherError(f"the archive cannot be had from {shown}: the connection was closed {response.length} bytes before the end",
                            remedy="Run the task again")
    return True


def _write(fd: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        try:
            view = view[os.write(fd, view):]
        except OSError as error:  # a full disk, say: nothing that is wrong with the URL
            raise LauncherError(f"the archive cannot be stored on this host: {error.strerror}",
                                remedy="Free some space below /var/lib/coracle/images") from error


def _announced(length: str | None) -> int:
    """How many bytes an answer says beforehand to have, 0 when it does not."""
    return int(length) if length is not None and len(length) <= 20 and text.is_digits(length) else 0


def _failure(shown: str, error: Exception, timeout: float) -> LauncherError:
    """One sentence for what went wrong, whatever library says it."""
    if isinstance(error, ValueError) and not isinstance(error, OSError) or type(error).__name__ == "InvalidURL":
        # What the library says has parts of the URL in it, and these may be a password. It may also be of where the server sends us.
        return LauncherError(f"{shown} is no valid URL, or leads to one that is none", remedy="Correct the URL")
    status = getattr(error, "code", None)
    if isinstance(status, int):
        # Of a redirection that is not followed, the reason is its URL, which may be signed.
        answer = f"{status} {_one_line(getattr(error, 'reason', ''))}".rstrip() if status >= 400 else f"{status}, which leads nowhere"
        return LauncherError(f"the archive cannot be had from {shown}: the server answers {answer}",
                             remedy=_REMEDIES.get(status, "Try again later" if status >= 500 else "Correct the URL"))
    reason = getattr(error, "reason", None) or error
    words = _one_line(reason) or type(reason).__name__
    if isinstance(reason, TimeoutError) or "timed out" in words:
        return LauncherError(f"the archive cannot be had from {shown}: no byte came for {timeout:g} seconds",
                             remedy="Raise timeout, or use a nearer server")
    if "CERTIFICATE_VERIFY_FAILED" in words or "certificate" in words.lower():
        return LauncherError(f"the archive cannot be had from {shown}: {words}", remedy=_TRUST)
    return LauncherError(f"the archive cannot be had from {shown}: {words}",
                         remedy="See whether the host reaches that server, and whether it needs a proxy")


def _one_line(value: t.Any) -> str:
    """What a server or a library says, as one line that a terminal can be shown."""
    said = getattr(value, "strerror", None) or value
    return text.visible(str(said).encode("utf-8", "surrogateescape"))[:300]
