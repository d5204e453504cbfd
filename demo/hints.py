"""What to try by hand while everything runs (KEEP=1)."""

from __future__ import annotations

from mesh import REPO, Mesh
from screen import Screen

_TOKEN_SECONDS = 12 * 3600


def show(screen: Screen, mesh: Mesh) -> None:
    gateway = f"http://127.0.0.1:{mesh.gateway_port}"
    provider, ca = mesh.provider.issuer, mesh.provider.ca_file
    token = mesh.provider.token("alice", "orders:read", _TOKEN_SECONDS).raw
    screen.title("Left running (KEEP=1). To try by hand:")
    screen.text(f"""
  # a token of alice with scope orders:read, good for {_TOKEN_SECONDS // 3600} hours
  TOKEN={token}

  curl -i {gateway}/orders/7                                           # 401
  curl -i {gateway}/orders/7 -H "Authorization: Bearer $TOKEN"         # 200
  curl -i {gateway}/users/alice -H "Authorization: Bearer $TOKEN"      # 200: her own
  curl -i {gateway}/users/bob -H "Authorization: Bearer $TOKEN"        # 403: another's

  # any other token, new keys, an outage and its end
  curl -s --cacert {ca} {provider}/token --json '{{"claims":{{"sub":"bob","aud":"orders","scope":"orders:write"}}}}'
  curl -s --cacert {ca} -X POST {provider}/rotate
  curl -s --cacert {ca} -X POST '{provider}/fail?mode=down'
  curl -s --cacert {ca} -X POST '{provider}/fail?mode=off'

  # edit and save: that is a `kubectl apply`
  {mesh.manifests}/orders.yaml
  {mesh.manifests}/users.yaml

  # what came of it
  cat {mesh.output}/status/accesspolicy/shop/orders.json
  tail -f {mesh.state}/logs/operator.log {mesh.state}/logs/agent.log
  curl -s http://127.0.0.1:{mesh.agent_port}/status
  curl -s http://127.0.0.1:{mesh.metrics_port}/metrics

  # why an answer is as it is, offline
  {_explain(mesh)}

  # stop everything
  python3 {REPO}/demo/run.py --stop{_state_flag(mesh)}
""")


def _explain(mesh: Mesh) -> str:
    return (
        f"echo '{{\"sub\":\"bob\"}}' | {mesh.program('meshauthctl')} explain -f {mesh.manifests} "
        "--workload shop/orders --method GET --path /users/alice --claims - --provider shop/dev"
    )


def _state_flag(mesh: Mesh) -> str:
    return "" if mesh.state == REPO / "build/demo" else f" --state {mesh.state}"
