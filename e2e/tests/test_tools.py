"""e2e/tools.sh: what is missing is named, all of it, before anything is built or started."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from harness import tools

pytestmark = pytest.mark.plane

_NEEDED = "bash env dirname sort head printf sha256sum cut cat flock mkdir ln mv rm cp".split()


@pytest.fixture
def machine(tmp_path):
    """A PATH with only what a bare machine has, an empty cache, and a way to run tools.sh there."""

    class Machine:
        path = tmp_path / "bin"
        cache = tmp_path / "cache"

        def __init__(self):
            self.path.mkdir()
            for name in _NEEDED + ["python3", "etcd", "nginx", "setpriv"]:
                self.has(name)

        def has(self, name):
            found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
            if found:
                (self.path / name).symlink_to(found)

        def has_fake(self, name, says):
            file = self.path / name
            file.write_text(f"#!/bin/bash\necho {says}\n")
            file.chmod(0o755)

        def run(self, **environment):
            env = {"PATH": str(self.path), "HOME": str(tmp_path), "MESH_AUTH_CACHE": str(self.cache), **environment}
            script = tools.REPO / "e2e" / "tools.sh"
            return subprocess.run([str(script)], env=env, capture_output=True, text=True, timeout=60)

    return Machine()


def test_everything_missing_is_named_at_once_and_nothing_is_built(machine):
    (machine.path / "etcd").unlink()
    done = machine.run()
    assert done.returncode == 1
    for words in ("Go >= 1.26", "Node >= 20", "apt-get install etcd-server"):
        assert words in done.stderr
    assert not machine.cache.exists()


def test_what_is_too_old_is_named_with_what_was_found(machine):
    machine.has_fake("go", "go1.25.4")
    machine.has_fake("node", "v18.20.4")
    machine.has_fake("npm", "9")
    done = machine.run()
    assert done.returncode == 1
    assert "Go >= 1.26 (to build Kubernetes 1.36.3): found 1.25.4" in done.stderr
    assert "Node >= 20 (for the OpenID provider): found 18.20.4" in done.stderr


def test_ten_is_more_than_nine(machine):
    machine.has_fake("go", "go1.26.10")
    machine.has_fake("node", "v100.0.0")
    machine.has_fake("npm", "9")
    (machine.path / "etcd").unlink()  # so that it stops here
    done = machine.run()
    assert done.returncode == 1 and "Go" not in done.stderr and "Node" not in done.stderr


def test_given_assets_are_used_and_must_be_whole(machine, tmp_path):
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("kube-apiserver", "etcd", "helm"):
        (assets / name).write_text("#!/bin/bash\n")
        (assets / name).chmod(0o755)
    wrong = machine.run(KUBEBUILDER_ASSETS=str(assets), E2E_PARTS="kube helm")
    assert wrong.returncode == 1 and "kubectl: not in KUBEBUILDER_ASSETS" in wrong.stderr

    (assets / "kubectl").write_text("#!/bin/bash\n")
    (assets / "kubectl").chmod(0o755)
    right = machine.run(KUBEBUILDER_ASSETS=str(assets), E2E_PARTS="kube helm")
    assert right.returncode == 0, right.stderr
    assert f"MESH_AUTH_KUBE_BIN={assets}" in right.stdout and f"MESH_AUTH_HELM={assets}/helm" in right.stdout
