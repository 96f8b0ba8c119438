"""An environment of its own for tools that touchline does not run with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def install(folder: Path, lock: Path) -> None:
    """Make the environment in `folder` hold what the lock pins; a stamp says that it does."""
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return
    print(f"Installing what requirements/{lock.name} pins")
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "install", "--python", folder / "bin" / "python"]
    if not uv.exists():
        command = [folder / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check"]
    subprocess.run([*command, "--quiet", "--require-hashes", "-r", lock], check=True)
    stamp.write_bytes(lock.read_bytes())
