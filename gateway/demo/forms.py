"""multipart/form-data for the demo upstream: small, whole, in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_BOUNDARY = re.compile(r'boundary="?([^";,]{1,200})"?', re.IGNORECASE)
_PARAMETER = re.compile(r'\b(filename|name)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a form."""

    filename: str
    content: bytes


@dataclass(slots=True)
class Form:
    """The fields and files of a form; of several with one name the last counts."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)


def parse(content_type: str, body: bytes) -> Form | None:
    """The form, or None when this is none: no boundary, or no closing delimiter."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or found is None:
        return None
    delimiter = b"\r\n--" + found[1].encode("latin-1")
    form = Form()
    sections = (b"\r\n" + body).split(delimiter)
    if len(sections) < 2 or not sections[-1].startswith(b"--"):
        return None
    for section in sections[1:-1]:
        head, _, content = section.partition(b"\r\n\r\n")
        names = dict(_PARAMETER.findall(head.decode("utf-8", "replace")))
        name = names.get("name", "").removesuffix("[]")
        if "filename" in names:
            form.files[name] = Upload(names["filename"], content)
        else:
            form.fields[name] = content.decode("utf-8", "replace")
    return form
