"""A stock nginx that asks mesh-auth-agent, in the place of nginx with our module: flavour AuthRequest."""

import contextlib
import json
import subprocess
import urllib.error
import urllib.request

from harness import BUILD, NGINX, NGINX_ENVIRONMENT, TEMPLATES, SLOWNESS, WORKLOAD, free_port, wait_until

FLAVOURS = ["Module", "AuthRequest"]
AGENT = BUILD / "bin" / "mesh-auth-agent"
# Our statuses that nginx's auth_request has no word for.
IN_AUTH_REQUEST = {400: 500, 503: 500}
# What a refused gRPC call gets where nobody makes a grpc-status of it.
OVER_GRPC = {"token_missing": 401, "denied_by_rule": 403, "path_ambiguous": 500}


REFUSED_AS_400 = {"path_ambiguous", "host_mismatch", "token_multiple", "token_malformed_source", "header_too_large"}


def status_of_ours(flavour, status, reason):
    """The status that the engine gave, of what nginx answered."""
    if flavour == "Module" or status != 500:
        return status
    return 400 if reason in REFUSED_AS_400 else 503


def answer_of(flavour, status, reason, grpc=False):
    """(status, reason) that this flavour answers where the module answers so. Without a reason nginx itself refused."""
    if flavour == "Module" or not reason:
        return status, reason
    return OVER_GRPC[reason] if grpc else IN_AUTH_REQUEST.get(status, status), reason


class AskedAgent:
    """The agent with a bundle's folder that the test writes, and no operator. nginx of the test asks it at `socket`;
    its own nginx, which it will not do without, serves nobody."""

    def __init__(self, root, folder, *flags):
        self.root, self.health = root, free_port()
        self.work = root / "ask"
        self.socket = self.work / "decide.sock"
        (root / "token").write_text("a-secret-of-more-than-16-bytes\n")
        self.argv = [AGENT, "--flavour=AuthRequest", f"--workload={WORKLOAD}", f"--operator=https://127.0.0.1:{free_port()}",
                     f"--token-file={root}/token", f"--trust={folder.trust}", f"--bundle-dir={folder.path}", f"--work-dir={self.work}",
                     f"--templates={TEMPLATES}", f"--health-listen=127.0.0.1:{self.health}", f"--nginx={NGINX}",
                     f"--map=127.0.0.1:{free_port()}:1", "--workers=1", "--log-format=json", *flags]  # fmt: skip
        self.process = None

    def start(self):
        log = (self.root / "agent.log").open("ab")
        self.process = subprocess.Popen(list(map(str, self.argv)), stdout=log, stderr=log, env=NGINX_ENVIRONMENT)
        log.close()
        wait_until(self._listens, lambda: f"the agent: {self.log()}", 20)
        return self

    def _listens(self):
        assert self.process.poll() is None, self.log()
        return self.socket.exists() and self.status() is not None

    def log(self):
        return (self.root / "agent.log").read_text(errors="replace")

    def status(self):
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/status", timeout=5) as answer:
                return json.load(answer)
        return None

    def running(self, revision):
        """Does the engine run that revision? Its own nginx's workers are as far as it is."""
        status = self.status()
        return bool(status) and any(worker["revision"] == revision for worker in status["workers"])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends it, and says what is wrong."""
        if self.process is None or self.process.poll() is not None:
            return []
        self.process.terminate()
        try:
            code = self.process.wait(30 * SLOWNESS)
        except subprocess.TimeoutExpired:
            self.kill()
            return ["the agent did not end within 30 s of SIGTERM"]
        return [] if code == 0 else [f"the agent ended with {code}: {self.log()[-2000:]}"]
