"""`nginx -t` refuses each misuse of a directive with a message that says what would be right."""

import pytest

from harness import MODULE, READ, Nginx, free_port, nginx_conf, policy, provider


@pytest.fixture
def conf(root, folder, key, upstream):
    folder.write(provider("okta", key), policy(rules=[READ]))

    def make(**parts):
        port = free_port()
        return Nginx(root, nginx_conf(root, folder, port, upstream.port, **parts), port)

    return make


def test_the_usual_configuration_is_fine(conf):
    tested = conf().test()
    assert tested.returncode == 0, tested.stderr


MISUSES = [
    ("server", "mesh_auth maybe;", '"mesh_auth": "maybe" is none of: off, on, observe'),
    ("server", "mesh_auth on on;", 'invalid number of arguments in "mesh_auth" directive'),
    ("server", "mesh_auth on; mesh_auth off;", '"mesh_auth" directive is duplicate'),
    ("location", "mesh_auth_port 0;", '"0" is no port from 1 to 65535'),
    ("location", "mesh_auth_port 65536;", '"65536" is no port from 1 to 65535'),
    ("location", "mesh_auth_port http;", '"http" is no port from 1 to 65535'),
    ("server", "mesh_auth_preflight allow;", '"allow" is none of: decide, pass'),
    ("server", "mesh_auth_error_body html;", '"html" is none of: json, plain'),
    ("server", "mesh_auth_path_allow slashes;", "mesh_auth_path_allow"),
    ("server", "mesh_auth_resource_metadata ftp://x;", "is no http or https URL"),
    ("server", "mesh_auth_resource_metadata 'https://x/\"y';", "is no http or https URL"),
    ("server", "mesh_auth_bundle /tmp;", '"mesh_auth_bundle" directive is not allowed here'),
    ("http", "mesh_auth_bundle /tmp;", '"mesh_auth_bundle" directive is duplicate'),
    ("http", "mesh_auth_trust /tmp/x;", '"mesh_auth_trust" directive is duplicate'),
    ("http", "mesh_auth_workload a/b;", '"mesh_auth_workload" directive is duplicate'),
    ("http", "mesh_auth_agent unix:/x;", '"mesh_auth_agent" directive is duplicate'),
    ("http", "mesh_auth_conf abc;", '"abc" is no SHA-256 of an auth.conf'),
    ("http", "mesh_auth_conf %s; mesh_auth_conf %s;" % ("0" * 64, "0" * 64), '"mesh_auth_conf" directive is duplicate'),
    ("http", "mesh_auth_token_cache 1k;", '"1k" is no size from 64k to 4096m'),
    ("http", "mesh_auth_token_cache much;", '"much" is no size from 64k to 4096m'),
    ("http", "mesh_auth_token_cache 1m; mesh_auth_token_cache 2m;", "is duplicate"),
    ("http", "mesh_auth_audit_allowed 1.1;", '"1.1" is no ratio from 0'),
    ("http", "mesh_auth_audit_allowed some;", '"some" is no ratio from 0'),
    ("http", "mesh_auth_audit_allowed nan;", '"nan" is no ratio from 0'),
]


@pytest.mark.parametrize("where, directive, says", MISUSES)
def test_a_misuse_is_refused_by_name(conf, where, directive, says):
    tested = conf(**{where: directive}).test()
    assert tested.returncode != 0
    assert says in tested.stderr


REPLACED = [
    ("mesh_auth_bundle {path};", "", '"mesh_auth_bundle" is missing in http{}'),
    ("mesh_auth_trust {trust};", "", '"mesh_auth_trust" is missing in http{}'),
    ("mesh_auth_workload shop/orders;", "", '"mesh_auth_workload" is missing in http{}'),
    ("mesh_auth_bundle {path};", "mesh_auth_bundle bundle;", '"bundle" is no absolute path'),
    ("mesh_auth_bundle {path};", "mesh_auth_bundle /nowhere/at/all;", '"/nowhere/at/all" is no folder'),
    ("mesh_auth_trust {trust};", "mesh_auth_trust trust.json;", '"trust.json" is no absolute path'),
    ("mesh_auth_trust {trust};", "mesh_auth_trust /nowhere;", "/nowhere cannot be opened"),
    ("mesh_auth_trust {trust};", "mesh_auth_trust /etc/passwd;", "/etc/passwd: "),
    ("mesh_auth_workload shop/orders;", "mesh_auth_workload orders;", '"orders" is not NAMESPACE/NAME'),
    ("mesh_auth_workload shop/orders;", "mesh_auth_workload Shop/orders;", '"Shop/orders" is not NAMESPACE/NAME'),
    ("mesh_auth_agent unix:{root}/agent.sock;", "mesh_auth_agent /run/x;", '"/run/x" is not unix:/PATH'),
    ("mesh_auth_agent unix:{root}/agent.sock;", f"mesh_auth_agent unix:/{'x' * 120};", "longer than 107 bytes"),
]


@pytest.mark.parametrize("line, instead, says", REPLACED)
def test_what_is_missing_or_wrong_in_http_is_refused(conf, folder, root, line, instead, says):
    nginx = conf()
    line = line.format(path=folder.path, trust=folder.trust, root=root)
    text = nginx.conf.read_text()
    assert line in text
    nginx.conf.write_text(text.replace(line, instead))
    tested = nginx.test()
    assert tested.returncode != 0
    assert says in tested.stderr


def test_a_configuration_without_the_module_s_directives_needs_none_of_them(conf, root):
    nginx = conf()
    temporary = " ".join(f"{kind}_temp_path {root}/t-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    nginx.conf.write_text(
        f"load_module {MODULE}; pid {root}/nginx.pid; events {{}} http {{ {temporary} access_log off; "
        f"server {{ listen 127.0.0.1:{nginx.port}; }} }}"
    )
    tested = nginx.test()
    assert tested.returncode == 0, tested.stderr
