"""A JupyterLab server of one's own, with a folder and settings of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

SECONDS = 60
"""The server has this long to come up."""
PLACES = (
    "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR",
    "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR",
)  # fmt: skip
"""What tells Jupyter where to keep its things."""


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@contextlib.contextmanager
def jupyterlab(folder: Path, home: Path) -> Iterator[str]:
    """Serve a folder; give the address.

    Parameters
    ----------
    folder : pathlib.Path
        With the notebooks.
    home : pathlib.Path
        For everything that Jupyter writes: settings, sockets, its log.
    """
    environment = os.environ | {place: str(home / place.lower()) for place in PLACES}
    settings = home / "jupyterlab_settings_dir" / "@jupyterlab"
    for extension, plugin, chosen in (
        ("notebook-extension", "tracker", {"windowingMode": "none"}),  # all cells are in the page
        ("apputils-extension", "notification", {"fetchNews": "false", "checkForUpdates": False}),
    ):
        (settings / extension).mkdir(parents=True)
        file = settings / extension / f"{plugin}.jupyterlab-settings"
        file.write_text(json.dumps(chosen), encoding="utf-8")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [
                sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
                "--ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
                "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}",
                "--LabApp.extension_manager=readonly",
            ],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait_for(server, address, home / "log")
        yield address
    finally:
        server.send_signal(signal.SIGTERM)  # it shuts its kernels down
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"{address}/api/status", timeout=5).close()
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not come up:\n{log.read_text(encoding='utf-8')[-3000:]}")
