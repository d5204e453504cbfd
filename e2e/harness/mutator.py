"""A mutating webhook of somebody else's: it changes pods as a test says, after ours has seen them."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness import injection
from harness.namespace import Namespace
from harness.pki import Authority
from harness.wait import await_until

Change = Callable[[dict[str, Any]], None]
# The API server calls webhooks in the order of these names.
_NAME = "zz-after-mesh-auth"
_PATH = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def setup(self) -> None:
        self.request.settimeout(30)
        self.request.do_handshake()
        super().setup()

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        data = json.dumps(self.server.mutator.answer(review)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    mutator: Mutator


class Mutator:
    """`change` alters a pod of the namespace in place; `seen` holds each as it came."""

    def __init__(self, space: Namespace, authority: Authority) -> None:
        self._space = space
        self.change: Change = lambda pod: None
        self.seen: list[dict[str, Any]] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.mutator = self
        self._port = self._server.server_address[1]
        self._ca = base64.b64encode(authority.certificate.read_bytes()).decode()
        serving = authority.issue(f"mutator-{self._port}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(serving.certificate, serving.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def register(self, reinvocation: str) -> None:
        """Returns when the API server calls it. reinvocation: as reinvocationPolicy."""
        answer = self._space.cluster.api("POST", _PATH, self._configuration(reinvocation))
        assert answer.status == 201, answer.text
        probe = injection.pod("probe", injection.ORDERS)
        await_until("it is called", lambda: injection.create(self._space, probe, "?dryRun=All") and self.seen, within=30)

    def close(self) -> None:
        self._space.cluster.api("DELETE", f"{_PATH}/{_NAME}")
        self._server.shutdown()
        self._server.server_close()

    def answer(self, review: dict[str, Any]) -> dict[str, Any]:
        pod = review["request"]["object"]
        self.seen.append(json.loads(json.dumps(pod)))
        self.change(pod)
        patch = [{"op": "replace", "path": f"/{part}", "value": pod[part]} for part in ("metadata", "spec")]
        response = {"uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch"}
        response["patch"] = base64.b64encode(json.dumps(patch).encode()).decode()
        return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}

    def _configuration(self, reinvocation: str) -> dict[str, Any]:
        webhook = {
            "name": "after.example.com",
            "clientConfig": {"url": f"https://localhost:{self._port}/", "caBundle": self._ca},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self._space.name}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "reinvocationPolicy": reinvocation,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 10,
        }
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
        return {**kind, "metadata": {"name": _NAME}, "webhooks": [webhook]}
