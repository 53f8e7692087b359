"""Every module can be the first that a program imports: no circular import waits for an unusual order."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# One fork per module of a process that has imported none of ours, but what takes longest of others; at most two
# children at once.
IMPORT_EACH_ALONE = """
import importlib, os, sys, threading, traceback
import alembic.command, cryptography.hazmat.primitives.ciphers.aead, litestar.openapi, msgspec, orjson, sqlalchemy
import asyncio, gc, ssl, uvicorn, uvloop, yaml
gc.disable()
names = sys.argv[1:]
running, failed = {}, []
def reap():
    pid, status = os.wait()
    name = running.pop(pid)
    if status:
        failed.append(name)
for name in names:
    if len(running) == 2:
        reap()
    pid = os.fork()
    if pid == 0:
        try:
            importlib.import_module(name)
            assert threading.active_count() == 1, "importing it starts a thread"
        except BaseException:
            sys.stderr.write(f"--- {name}\\n")
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    running[pid] = name
while running:
    reap()
print(*failed)
"""


def module_names() -> list[str]:
    """All but programs and the scripts that Alembic loads inside a running migration."""
    names = []
    for package in ("_speedups", "providers", "gateway"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "migrations" not in parts and parts[-1] != "__main__":
                names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def test_every_module_imports_alone() -> None:
    command = [sys.executable, "-W", "error", "-c", IMPORT_EACH_ALONE, *module_names()]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (run.stdout.strip(), run.returncode) == ("", 0), run.stderr
