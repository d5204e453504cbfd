"""Definitions of our kinds that become older than the operator while it runs, as a roll-back in Git brings them."""

from __future__ import annotations

import pytest
import yaml

from harness import chart, tools
from harness.wait import await_until

pytestmark = pytest.mark.operator

_NAME = "accesspolicies.meshauth.dev"
_LABEL = "meshauth.dev/schema-version"


def test_an_operator_that_runs_says_so_and_that_they_fit_again(elsewhere, tmp_path):
    elsewhere.install_crds()
    cluster = elsewhere.cluster
    account = chart.install_rights(cluster, tmp_path)
    operator = elsewhere.operator(chart.restricted_kubeconfig(cluster, account, tmp_path / "operator.kubeconfig"))
    operator.start()
    said = operator.process.output
    assert operator.metric("mesh_auth_definitions_unfit") == 0

    [crd] = [o for o in _documents() if o["metadata"]["name"] == _NAME]
    older = int(crd["metadata"]["labels"][_LABEL]) - 1
    crd["metadata"]["labels"][_LABEL] = str(older)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump(crd))
    operator.await_metric("mesh_auth_definitions_unfit", 1, within=45)
    await_until("the log names it", lambda: f"{_NAME} (schema version {older}) are older than this operator" in said())
    # It goes on: nobody would gain by a webhook that answers no more.
    assert operator.endpoint("/readyz").status == 200

    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(tools.REPO / "crds"))
    await_until("they fit again", lambda: operator.metric("mesh_auth_definitions_unfit") == 0, within=45)
    await_until("the log says so", lambda: "resource definitions fit again" in said())
    assert said().count("resource definitions do not fit") == 1
    operator.stop()


def _documents():
    return [yaml.safe_load(file.read_text()) for file in (tools.REPO / "crds").glob("*.yaml")]
