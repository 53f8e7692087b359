"""serves.py IMPLEMENTATION COMMAND...: start the command's demo gateway, ask it once, end it.

For ``make serve`` and for an installed ``microgate``: the command must print a curl that works when pasted, run the
named implementation, stop at SIGTERM with code 0 and leave nothing behind.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time

SECONDS = 60


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def command_line(words: list[str], data_dir: str) -> list[str]:
    options = ["--port", str(free_port()), "--data-dir", data_dir]
    if os.path.basename(words[0]) == "make":
        return [*words, f"ARGS={shlex.join(options)}"]
    return [*words, "serve", "--demo", *options]


def announced(process: subprocess.Popen[str]) -> str:
    """Everything printed up to the end of the pasteable curl."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if re.search(r"^curl .*?[^\\]\n", text, re.DOTALL | re.MULTILINE):
            return text
    raise SystemExit(f"ended before it served:\n{text}")


def interface(text: str) -> str:
    """The page of the web interface, once the control process is there to answer."""
    found = re.search(r"^Web interface: (\S+)$", text, re.MULTILINE)
    if found is None:
        return "no web interface is announced"
    command = ["curl", "--silent", "--retry", "20", "--retry-delay", "1", "--max-time", "10", found[1]]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def main() -> None:
    implementation, *words = sys.argv[1:]
    by_make = os.path.basename(words[0]) == "make"
    signal.alarm(SECONDS)
    with tempfile.TemporaryDirectory() as data_dir:
        begin = time.monotonic()
        process = subprocess.Popen(
            command_line(words, data_dir), stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            text = announced(process)
            print(text, f"announced after {time.monotonic() - begin:.2f} s", sep="")
            curl = text[text.index("curl ") :]
            answer = subprocess.run(
                ["sh", "-c", curl.replace("curl ", "curl --fail --silent --show-error --max-time 10 ", 1)],
                capture_output=True,
                text=True,
                check=False,
            )
            print(answer.stdout or answer.stderr)
            print(f"answered after {time.monotonic() - begin:.2f} s")
            page = interface(text)
            good = answer.returncode == 0 and '"choices"' in answer.stdout and f"({implementation})" in text
            good = good and '<div id="root">' in page
        finally:
            if by_make:
                # make and its shell stand between us and the gateway.
                os.killpg(process.pid, signal.SIGTERM)
            else:
                process.terminate()
            code = process.wait(20)
        print(f"exit code {code}")
        # GNU make dies of the signal it was sent together with its child.
        if not good or code not in ((0, 2, -signal.SIGTERM) if by_make else (0,)):
            raise SystemExit("it does not serve as announced")


main()
