"""`nginx -t` refuses each misuse of a directive with a message that says what would be right."""

import re

import pytest

from harness import MODULE, REPOSITORY, Nginx, free_port, nginx_conf
from resources import READ, policy, provider


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
    ("server", "mesh_auth_path_allow slashes;", '"mesh_auth_path_allow": "slashes" is not known; write encoded-slash, semicolon, double-slash, or several of them with commas'),
    ("server", "mesh_auth_path_allow encoded-slash,;", '"mesh_auth_path_allow": "" is not known; write encoded-slash'),
    ("server", "mesh_auth_path_allow Semicolon;", '"mesh_auth_path_allow": "Semicolon" is not known; write encoded-slash'),
    ("server", "mesh_auth_resource_metadata ftp://x;", "is no http or https URL"),
    ("server", "mesh_auth_resource_metadata 'https://x/\"y';", "is no http or https URL"),
    ("server", f"mesh_auth_resource_metadata https://x/{'y' * 1024};", "is no http or https URL of at most 1024 bytes"),
    ("http", "mesh_auth_conf abc;", '"abc" is no SHA-256 of an auth.conf'),
    ("http", f"mesh_auth_conf {'0' * 63};", "is no SHA-256 of an auth.conf"),
    ("http", f"mesh_auth_conf {'A' * 64};", "64 hexadecimal digits in lower case"),
    ("http", "mesh_auth_token_cache 1k;", '"1k" is no size from 64k to 4096m'),
    ("http", "mesh_auth_token_cache 5000m;", '"5000m" is no size from 64k to 4096m'),
    ("http", "mesh_auth_token_cache much;", '"much" is no size from 64k to 4096m'),
    ("http", "mesh_auth_audit_allowed 1.1;", '"1.1" is no ratio from 0'),
    ("http", "mesh_auth_audit_allowed some;", '"some" is no ratio from 0'),
    ("http", "mesh_auth_audit_allowed nan;", '"nan" is no ratio from 0'),
    ("http", "mesh_auth_audit_allowed 0x1p-1;", '"0x1p-1" is no ratio from 0'),
    ("http", "mesh_auth_audit_allowed 0.5.;", '"0.5." is no ratio from 0'),
    ("http", "mesh_auth_log_phase never;", '"never" is none of: always, needed'),
]
# Each directive with a value that is right.
OF_HTTP = {
    "mesh_auth_bundle": "/tmp",
    "mesh_auth_trust": "{trust}",
    "mesh_auth_agent": "unix:/x",
    "mesh_auth_workload": "a/b",
    "mesh_auth_conf": "0" * 64,
    "mesh_auth_token_cache": "1m",
    "mesh_auth_audit_allowed": "0.5",
    "mesh_auth_log_phase": "needed",
}
ANYWHERE = {
    "mesh_auth": "observe",
    "mesh_auth_port": "80",
    "mesh_auth_preflight": "pass",
    "mesh_auth_error_body": "plain",
    "mesh_auth_path_allow": "semicolon,double-slash",
    "mesh_auth_resource_metadata": "https://x/y",
}
EVERY = {**OF_HTTP, **ANYWHERE}


@pytest.mark.parametrize("where, directive, says", MISUSES)
def test_a_misuse_is_refused_by_name(conf, where, directive, says):
    tested = conf(**{where: directive}).test()
    assert tested.returncode != 0
    assert says in tested.stderr


@pytest.mark.parametrize("name", EVERY)
def test_each_directive_is_there_once_and_has_one_value(conf, folder, name):
    value = EVERY[name].format(trust=folder.trust)
    for instead in ("", f"{value} {value}"):
        tested = conf(http=f"{name} {instead};").test()
        assert tested.returncode != 0
        assert f'invalid number of arguments in "{name}" directive' in tested.stderr
    tested = conf(http=f"{name} {value}; {name} {value};").test()
    assert tested.returncode != 0
    assert f'"{name}" directive is duplicate' in tested.stderr


@pytest.mark.parametrize("name", EVERY)
def test_each_directive_stands_where_it_belongs(conf, folder, name):
    directive = f"{name} {EVERY[name].format(trust=folder.trust)};"
    in_server = f"server {{ listen 127.0.0.1:{free_port()}; {directive} }}"
    for where, text in (("main", directive), ("http", in_server), ("location", directive)):
        tested = conf(**{where: text}).test()
        fine = name in ANYWHERE and where != "main"
        assert (tested.returncode == 0) == fine
        assert fine or f'"{name}" directive is not allowed here' in tested.stderr


def test_the_module_s_directives_are_these():
    text = (REPOSITORY / "sidecar/nginx/module/config.cc").read_text()
    assert re.findall(r'(?:main|loc)_command<\w+>\("(\w+)"\)', text) == list(EVERY)


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
    ("mesh_auth_workload shop/orders;", "mesh_auth_workload shop/orders/x;", '"shop/orders/x" is not NAMESPACE/NAME'),
    ("mesh_auth_agent unix:{root}/agent.sock;", "mesh_auth_agent /run/x;", '"mesh_auth_agent": "/run/x" is not unix:/PATH'),
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
