"""Fixtures of the tests that have the webhook put sidecars into pods."""

from __future__ import annotations

import pytest
import yaml

from harness import chart, injection


@pytest.fixture(scope="module")
def configured(cluster, workdir, operator_process):
    """The chart's webhook configuration, for an operator that is a local process; afterwards the one that was there."""

    def apply(*values):
        made = [o for o in chart.render(workdir, *values) if o["kind"] == "MutatingWebhookConfiguration"]
        assert len(made) == 1
        cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(made))

    apply(f"injection.url={operator_process.webhook_url}")
    yield
    apply()


@pytest.fixture
def webhook(cluster, configured, operator):
    """The operator, and the API server believes its certificate."""
    injection.await_authority(cluster)
    return operator


@pytest.fixture
def meshed(cluster, webhook):
    with cluster.temporary_namespace("meshed", injection.ENABLED) as space:
        yield space
