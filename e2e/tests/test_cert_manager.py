"""cert-manager makes and renews the webhook's certificate (injection.certManager.enabled of the chart): its own controllers, at a real
API server that calls the operator by the name that the certificate is for."""

from __future__ import annotations

import base64
import json
import os
import ssl

import pytest
import yaml

from harness import chart, tools
from harness.kubectl import Kubectl
from harness.resources import KINDS
from harness.wait import await_until

pytestmark = pytest.mark.operator

_NAME = "mesh-auth-injector"
_CONFIGURATION = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{_NAME}"


class Issued:
    """The release where cert-manager runs; `folder` is what kubelet would mount into the operator's pod."""

    def __init__(self, elsewhere, folder):
        self.cluster = elsewhere.cluster
        self.folder = folder
        self.operator = None
        self._elsewhere = elsewhere

    def start_cert_manager(self):
        program = tools.cert_manager()
        self.cluster.kubectl("apply", "--server-side", "-f", str(program.parent / "crds"))
        argv = [str(program), f"--kubeconfig={self._elsewhere.plane.kubeconfig}"]
        return self._elsewhere.supervisor.start("cert-manager", argv)

    def install(self, home):
        """The chart but for what kubelet would run. Its Service leads here: no ClusterIP does."""
        self.cluster.namespace(chart.NAMESPACE)
        account = chart.install_rights(self.cluster, home)
        kubeconfig = chart.restricted_kubeconfig(self.cluster, account, home / "operator.kubeconfig")
        self.operator = self._elsewhere.operator(kubeconfig)
        objects = chart.render(home, "crds.enabled=false", "injection.certManager.enabled=true")
        for each in objects:
            for hook in each.get("webhooks", []):
                hook["clientConfig"]["service"]["port"] = self.operator.webhook_port
            if each["kind"] == "Service" and each["metadata"]["name"] == "mesh-auth-operator":
                each["spec"] = {"type": "ExternalName", "externalName": "localhost"}
        self.cluster.kubectl("delete", "service", "-n", chart.NAMESPACE, "mesh-auth-operator")
        self.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(o for o in objects if o["kind"] != "Deployment"))
        return Kubectl(self.cluster.kubectl.program, kubeconfig, home=home)

    def secret(self):
        """Its files, once all are there."""
        found = self.cluster.find("secret", _NAME, chart.NAMESPACE) or {"data": {}}
        files = {name: base64.b64decode(content).decode() for name, content in found["data"].items()}
        return files if {"tls.crt", "tls.key", "ca.crt"} <= files.keys() else None

    def mount(self, files):
        """As kubelet does: both files at once, by one rename."""
        made = self.folder / f"..{len(list(self.folder.iterdir()))}"
        made.mkdir()
        for name in ("tls.crt", "tls.key"):
            (made / name).write_text(files[name])
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        (self.folder / "..new").symlink_to(made.name)
        os.rename(self.folder / "..new", self.folder / "..data")

    def renew(self):
        """As `cmctl renew` does; after the issuance that may still go on, though its Secret is there."""
        condition = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "by a test"}
        of = ("certificate", "-n", chart.NAMESPACE, _NAME)

        def asked():
            conditions = json.loads(self.cluster.kubectl("get", *of, "-o", "json"))["status"]["conditions"]
            states = {each["type"]: each["status"] for each in conditions}
            assert states.get("Issuing") != "True" and states["Ready"] == "True", states
            kept = [each for each in conditions if each["type"] != "Issuing"]
            patch = {"status": {"conditions": [*kept, condition]}}
            self.cluster.kubectl("patch", *of, "--subresource=status", "--type=merge", "-p", json.dumps(patch))
            return True

        await_until("a renewal is asked for", asked, within=60)

    def believed(self):
        """The authorities that the API server believes of the webhooks."""
        hooks = self.cluster.api("GET", _CONFIGURATION).json()["webhooks"]
        return {base64.b64decode(hook["clientConfig"].get("caBundle", "")).decode() for hook in hooks}

    def served(self):
        return ssl.get_server_certificate(("127.0.0.1", self.operator.webhook_port))


@pytest.fixture
def issued(elsewhere, tmp_path):
    elsewhere.install_crds()
    (tmp_path / "webhook").mkdir()
    made = Issued(elsewhere, tmp_path / "webhook")
    process = made.start_cert_manager()
    yield made
    if made.operator:
        made.operator.stop()
    elsewhere.supervisor.stop(process)


def _admits(space, name):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"meshauth.dev/workload": "orders"}}}
    pod["spec"] = {"containers": [{"name": "app", "image": "localhost/app:1", "ports": [{"containerPort": 8080}]}]}
    answer = space.cluster.api("POST", KINDS["pod"].path(space.name), pod)
    assert answer.status == 201, f"creating {name}: {answer.status} {answer.text}"
    return "mesh-auth" in [each["name"] for each in answer.json()["spec"].get("initContainers", [])]


def test_it_issues_the_certificate_and_a_renewal_refuses_no_pod(issued, tmp_path):
    as_operator = issued.install(tmp_path)
    first = await_until("the Secret is issued", issued.secret, within=60)
    issued.mount(first)
    issued.operator.start(f"--webhook-certificate-dir={issued.folder}")
    pid = issued.operator.process.pid
    await_until("both webhooks have the authority", lambda: issued.believed() == {first["ca.crt"]}, within=30)
    space = issued.cluster.namespace("shop", {"meshauth.dev/inject": "enabled"})
    await_until("a pod gets its sidecar", lambda: _admits(space, "orders-0"), within=30)
    assert issued.served().strip() in first["tls.crt"]

    issued.renew()
    second = await_until(
        "it is renewed", lambda: (found := issued.secret()) and found["tls.crt"] != first["tls.crt"] and found, within=60
    )
    assert second["tls.key"] != first["tls.key"]
    # kubelet takes a minute or more to bring it; until then the operator shows the one before, which must be believed.
    assert _admits(space, "orders-1")
    issued.mount(second)
    number = iter(range(2, 1000))
    refused = []

    def picked_up():
        try:
            assert _admits(space, f"orders-{next(number)}")
        except AssertionError as failure:  # it must end the wait, not be waited out
            refused.append(failure)
        return refused or issued.served().strip() in second["tls.crt"]

    await_until("the renewed certificate is served", picked_up, within=30, every=0.2)
    assert not refused
    assert _admits(space, "orders-last")
    assert issued.believed() == {second["ca.crt"]} == {first["ca.crt"]}
    assert issued.operator.process.pid == pid and issued.operator.process.is_running()
    # The configuration is cert-manager's to write.
    may = as_operator.run("auth", "can-i", "patch", f"mutatingwebhookconfigurations/{_NAME}")
    assert may.out.strip() == "no"
