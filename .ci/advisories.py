"""advisories.py LOCK...: look the locked packages up in OSV; fails on an advisory of high or critical severity.

Needs the OSV service. Where it cannot be reached, one line says so and the exit code is 0: this check advises, the lock
file with its hashes decides.
"""

import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SERVICE = "https://api.osv.dev/v1"
SECONDS = 10


def ask(path: str, question: object = None) -> Any:
    body = None if question is None else json.dumps(question).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{SERVICE}/{path}", body), timeout=SECONDS) as answer:
        return json.load(answer)


def locked(paths: list[str]) -> list[tuple[str, str]]:
    text = "\n".join(Path(path).read_text() for path in paths)
    return sorted(set(re.findall(r"^([\w.-]+)==([\w.!+]+)", text, re.MULTILINE)))


def main() -> None:
    packages = locked(sys.argv[1:])
    queries = [{"package": {"ecosystem": "PyPI", "name": name}, "version": version} for name, version in packages]
    try:
        results = ask("querybatch", {"queries": queries})["results"]
        found = [
            (package, ask(f"vulns/{row['id']}"))
            for package, result in zip(packages, results, strict=True)
            for row in result.get("vulns", [])
        ]
    except (OSError, urllib.error.URLError) as error:
        print(f"advisories: not checked, OSV cannot be reached ({getattr(error, 'reason', error)})")
        return
    high = 0
    for (name, version), advisory in found:
        severity = advisory.get("database_specific", {}).get("severity", "UNKNOWN")
        high += severity in ("HIGH", "CRITICAL")
        print(f"advisories: {name} {version}: {advisory['id']} ({severity}) {advisory.get('summary', '')}")
    print(f"advisories: {len(packages)} packages, {len(found)} advisories, {high} of them high or critical")
    sys.exit(1 if high else 0)


main()
