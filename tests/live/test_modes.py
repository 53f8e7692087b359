"""Who can read what an instance leaves on the machine: this user alone, whatever the umask."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path

from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.rounds import measured
from tests.live.test_providers_api import made, provider
from tests.live.test_virtual_keys_api import Desk
from tests.live.upstreams import Upstream


def test_files_are_private_and_no_process_dumps_core(upstream: Upstream, start_gateway: Start) -> None:
    before = os.umask(0)
    try:
        gateway = start_gateway(configuration(upstream.url))
    finally:
        os.umask(before)
    desk = Desk(gateway)
    made(desk, "/api/providers", "secret", provider(upstream.url), allow_private=True)
    roots = [Path(gateway.paths.data_dir), Path(gateway.paths.runtime_dir)]
    found = {}
    for path in (path for root in roots for path in (root, *root.rglob("*"))):
        # What is written beside a file before it takes its name may be gone.
        with contextlib.suppress(FileNotFoundError):
            found[path] = path.lstat().st_mode
    assert {
        "master.key",
        "master.used",
        "control.db",
        "microgate.key",
        "admin.token",
        "setup.secret",
        "admin.sock",
    } <= {path.name for path in found}
    open_to_others = {str(path): oct(mode) for path, mode in found.items() if mode & 0o077}
    assert open_to_others == {}
    assert all(stat.S_IMODE(root.stat().st_mode) == 0o700 for root in roots)
    processes = (gateway.pid, *gateway.children())
    measured("files, directories and sockets", len(found), "open to this user alone, with umask 0")
    measured("open to others", len(open_to_others), "0")
    measured("processes, each without core dumps", len(processes), "all")
    for pid in processes:
        try:
            limits = Path(f"/proc/{pid}/limits").read_text()
        except OSError:
            # Control has children that come and go.
            assert pid not in (gateway.pid, gateway.process("mg-control"), *gateway.worker_pids())
            continue
        assert re.search(r"Max core file size +0 ", limits), limits
