# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layout directory as one tar, for the way from the controller to a host."""

from __future__ import annotations

import os

from ...base.errors import LauncherError
from .documents import broken

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

    from .stores import DirectoryStore


def write(store: DirectoryStore, names: list[str], target: t.IO[bytes]) -> None:
    """Write the files `names` to `target`, in this order, as a plain tar that depends on nothing but their names and content.

    LauncherError when one has vanished or cannot be read, OSError for `target`. Contents are not compared with their digests: who reads
    the tar does that.
    """
    import tarfile  # 12 ms, and no module on a host writes one

    with tarfile.open(fileobj=target, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        for name in names:
            part = store.open(name.encode("ascii"))
            if part is None:
                raise LauncherError(f"its {name} vanished while it was read")
            header = tarfile.TarInfo(name)  # uid, gid and mtime 0, mode 0644
            header.size = part.size
            with part, open(part.fd, "rb", closefd=False) as file:
                try:
                    archive.addfile(header, file)
                except OSError as error:
                    if os.fstat(part.fd).st_size < part.size:
                        raise broken(f"its {name} became shorter while it was read") from error
                    raise
