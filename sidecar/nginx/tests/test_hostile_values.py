"""What hostile resources are rendered to, and how values are quoted, asked of nginx itself. The unit tests that make both
leave them in MESH_AUTH_HOSTILE_OUT."""

import json
import os
import subprocess

import pytest

import harness
import resources
from rawhttp import RawClient

LONGEST_WORD = 4000  # nginx reads its configuration through a buffer of 4096 bytes
TESTS = {"core_render_test": "a hostile value is refused*", "cli_test": "hostile values of every string field*"}


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    for program, case in TESTS.items():
        command = [harness.BUILD / "test" / program, f"--test-case={case}"]
        done = subprocess.run(command, env={**os.environ, "MESH_AUTH_HOSTILE_OUT": str(folder)}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:]
    return folder


def test_every_auth_conf_of_hostile_resources_is_one_that_nginx_accepts(left, root, folder):
    folder.write(resources.provider("okta", resources.Key("k1")), resources.policy("orders", [resources.READ]))
    confs = sorted(left.glob("auth.*.conf"))
    assert len(confs) >= 3
    for conf in confs:
        server = f"location = /x {{ mesh_auth on; include {conf}; proxy_pass http://127.0.0.1:1; }}"
        tested = harness.Nginx(root, harness.nginx_conf(root, folder, 1, 1, server=server), 1).test()
        assert tested.returncode == 0, f"{conf.read_text()}\n{tested.stderr}"
    print(f"{len(confs)} different auth.conf")


def test_nginx_reads_a_quoted_value_as_what_it_was(left, start, folder):
    folder.write(resources.provider("okta", resources.Key("k1")), resources.policy("orders", [resources.READ]))
    quoted = [one for one in json.loads((left / "quoted.json").read_text()) if len(one["token"]) < LONGEST_WORD]
    assert len(quoted) >= 300
    nginx = start(server="".join(f"location = /{i} {{ return 200 {one['token']}; }}\n" for i, one in enumerate(quoted)))
    client = RawClient(nginx.port)
    for i, one in enumerate(quoted):
        answer = client.ask(f"GET /{i} HTTP/1.1\r\nHost: h.test\r\n\r\n".encode())
        assert (answer.status, answer.body) == (200, one["value"].encode()), one
    client.close()
    print(f"{len(quoted)} quoted values")
