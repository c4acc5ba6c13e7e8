"""Where everything is kept that is made once and can be made again, and how a file is written whole."""

import os
from pathlib import Path

from lrar import places


def cache_folder() -> Path:
    """Where decoded videos, flow and weights are kept: `LRAR_CACHE`, else `cache/` in the repository."""
    return Path(os.environ.get("LRAR_CACHE") or places.ROOT / "cache")


def atomic_write(path: Path, content: bytes) -> None:
    """Write a file so that it is there in whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
