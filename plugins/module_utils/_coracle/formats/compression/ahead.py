# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces made by a thread of their own, a bounded number of them before somebody asks."""

from __future__ import annotations

import os
import queue
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .source import Pieces

_AHEAD = 4  # pieces


def ahead(pieces: Pieces) -> Pieces:
    """Return the same pieces, made by another thread where there are two processors: zlib, bz2 and lzma release the interpreter's lock.

    A piece may be empty: that is when a thread whose pieces are no longer wanted ends, if it has nothing else to deliver.
    """
    if len(os.sched_getaffinity(0)) < 2:
        return pieces
    return _from_thread(pieces)


def _from_thread(pieces: Pieces) -> Pieces:
    ready: queue.Queue = queue.Queue(_AHEAD)
    stop = threading.Event()

    def work() -> None:
        try:
            try:
                for piece in pieces:
                    if stop.is_set():
                        return
                    if piece:
                        ready.put(piece)
            finally:
                pieces.close()
            ready.put(None)
        except BaseException as error:  # handed to the reader, who raises it
            ready.put(error)

    worker = threading.Thread(target=work, name="unpack", daemon=True)
    try:
        worker.start()
    except RuntimeError:  # no thread is to be had: a limit
        yield from pieces
        return
    try:
        while True:
            piece = ready.get()
            if piece is None:
                return
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        stop.set()
        while worker.is_alive():
            try:
                ready.get_nowait()
            except queue.Empty:
                worker.join(0.01)
