"""A tiny application behind a sidecar: it answers with what it received, as JSON.

python -m harness.upstream PORT
"""

from __future__ import annotations

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness import tools
from harness.ports import free_port, is_listening
from harness.supervisor import Supervisor


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: the second would wait for the first one's ACK, 40 ms

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "bodyBytes": len(body),
        }
        data = json.dumps(seen, indent=2).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


def start(supervisor: Supervisor) -> int:
    """Starts one; its port."""
    port = free_port()
    supervisor.start(f"upstream-{port}", argv(port), env=environment(), ready=lambda: is_listening(port))
    return port


def argv(port: int) -> list[str]:
    return [sys.executable, "-m", "harness.upstream", str(port)]


def environment() -> dict[str, str]:
    return {"PYTHONPATH": str(tools.REPO / "e2e")}


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _Server(("127.0.0.1", int(sys.argv[1])), _Echo).serve_forever()


if __name__ == "__main__":
    main()
