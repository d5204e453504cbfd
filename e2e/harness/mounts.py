"""ConfigMaps as files, kept as they are in the cluster: what kubelet does for the volumes of a pod."""

from __future__ import annotations

import threading
from pathlib import Path

from harness.namespace import Namespace
from harness.sidecar import mount_config_map


class Mounts:
    """Follows ConfigMaps of one namespace into folders, on a thread of its own, until it is closed."""

    def __init__(self, space: Namespace) -> None:
        self._space = space
        self._lock = threading.Lock()
        self._mounted: dict[Path, tuple[str, str]] = {}  # folder: name, resourceVersion
        self._paused = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def mount(self, name: str, folder: Path) -> Path:
        """Waits until there is one; the folder holds it, and what it will be."""
        found = self._space.await_exists("configmap", name)
        with self._lock:
            mount_config_map(found, folder)
            self._mounted[folder] = (name, found["metadata"]["resourceVersion"])
        return folder

    def pause(self) -> None:
        """As a node that does not look at its volumes: no file changes from now on."""
        with self._lock:
            self._paused = True

    def resume(self) -> None:
        with self._lock:
            self._paused = False

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(0.1):
            with self._lock:
                if not self._paused:
                    for folder, (name, version) in self._mounted.items():
                        self._refresh(folder, name, version)

    def _refresh(self, folder: Path, name: str, version: str) -> None:
        try:
            found = self._space.find("configmap", name)
        except (OSError, AssertionError):
            return  # the next look
        if found and found["metadata"]["resourceVersion"] != version:
            mount_config_map(found, folder)
            self._mounted[folder] = (name, found["metadata"]["resourceVersion"])
