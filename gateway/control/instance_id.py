"""Which gateway this is, where several keep one database: a name that is made once for a data directory.

Rings and spill files belong to the directory, so how far they were read is remembered by its name, whatever the host
is called by then.
"""

from __future__ import annotations

import os

from gateway.stores.entities import new_id

FILE_NAME = "instance.id"


def instance_id(data_dir: str) -> str:
    """The name, made when there is none. One process asks at a time. Raises OSError."""
    path = os.path.join(data_dir, FILE_NAME)
    try:
        with open(path, encoding="ascii") as file:
            if name := file.read(64).strip():
                return name
    except FileNotFoundError:
        pass
    name = new_id()
    with open(f"{path}.new", "w", encoding="ascii") as file:
        file.write(f"{name}\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{path}.new", path)
    return name
