import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest

import harness
import resources
from rawhttp import RawUpstream


@pytest.fixture(scope="session", autouse=True)
def built():
    for part in (harness.MODULE, harness.TOOL, Path(harness.NGINX)):
        if not part.exists():
            pytest.exit(f"{part} is missing: build it first, and set MESH_AUTH_BUILD to the build directory", 2)


@pytest.fixture
def root():
    """A short path (a unix socket's name has at most 107 bytes), gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="mesh-auth-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def key():
    return resources.Key("k1")


@pytest.fixture(scope="session")
def upstream():
    server = harness.Upstream()
    yield server
    server.close()


@pytest.fixture
def application():
    """An application stricter than any server: what it finds fault with fails the test."""
    server = RawUpstream()
    yield server
    server.close()
    assert server.faults == []


@pytest.fixture
def rnd(request):
    """SEED=N repeats a run."""
    seed = os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32)
    print(f"{request.node.name}: SEED={seed}")
    return random.Random(int(seed))


@pytest.fixture
def folder(root):
    return harness.BundleFolder(root)


@pytest.fixture
def agent(root):
    listener = harness.AgentSocket(root / "agent.sock")
    yield listener
    listener.close()


@pytest.fixture
def start(root, folder, upstream, agent):
    """Starts nginx with the usual configuration and parts of one's own. At the end nothing alarming is in its log."""
    started = []

    def make(**parts):
        port = harness.free_port()
        conf = harness.nginx_conf(root, folder, port, upstream.port, **parts)
        nginx = harness.Nginx(root, conf, port)
        started.append(nginx)
        return nginx.start()

    yield make
    problems = [problem for nginx in started for problem in nginx.stop()]
    assert problems == []
