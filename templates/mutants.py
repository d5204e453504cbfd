"""What the tests in a real nginx must notice of the templates: see tools/mutants.py."""

MODULE = "modules/ngx_http_mesh_auth_module.so"
TESTS = "sidecar/nginx/tests"
VARIABLE = "MESH_AUTH_TEMPLATES"

# (file, text that is there once, text in its place, what it breaks, the tests that notice it)
MUTANTS = [
    # what the application gets is what was decided on
    ("nginx.conf.mustache", "proxy_set_header Host $mesh_host;", "proxy_set_header Host $host;", "the host is the client's, with its port", "test_rendered.py -k host"),
    ("nginx.conf.mustache", 'proxy_set_header Proxy "";', "", "HTTP_PROXY of a CGI program", "test_spoofs.py"),
    ("nginx.conf.mustache", "proxy_set_header Upgrade $mesh_upgrade;", "proxy_set_header Upgrade $http_upgrade;", "other protocols than WebSocket", "test_rendered.py -k no_other_protocol"),
    ("nginx.conf.mustache", "~*^websocket$ websocket;", "~*^websocket$ $http_upgrade;", "the case of websocket", "test_rendered.py -k case_of_websocket"),
    ("nginx.conf.mustache", "proxy_set_header Connection $mesh_connection;", "proxy_set_header Connection $http_connection;", "headers that the client's Connection names", "test_rendered.py -k case_of_websocket"),
    ("nginx.conf.mustache", "proxy_ignore_headers X-Accel-Redirect X-Accel-Expires", "proxy_ignore_headers X-Accel-Expires", "a redirect that the application orders", "test_rendered.py -k orders"),
    ("nginx.conf.mustache", "            proxy_pass_header X-Accel-Redirect;\n", "", "orders for a proxy further out", "test_rendered.py -k orders"),
    ("nginx.conf.mustache", "            proxy_set_header traceparent $mesh_auth_traceparent;\n", "", "the trace goes on", "test_audit_line.py -k trace"),
    ("auth.conf.mustache", "proxy_set_header {{header}} ${{variable}};", "", "identities that a client sends", "test_spoofs.py"),
    # the line of a decision
    ("nginx.conf.mustache", "log_format mesh_auth escape=json", "log_format mesh_auth escape=none", "a line stays one of JSON", "test_audit_line.py -k stays_a_line"),
    ("nginx.conf.mustache", "        000 0;\n", "", "an answer that never came has a number", "test_audit_line.py -k status_0"),
    # where nginx asks the agent
    ("nginx.conf.mustache", "            auth_request mesh-auth;\n", "", "every decision", "test_auth_request.py -k without_an_agent"),
    ("nginx.conf.mustache", "proxy_set_header Mesh-Auth-Line $request;", "", "the line that the client sent", "test_auth_request.py"),
    ("nginx.conf.mustache", "proxy_set_header Mesh-Auth-Uri :$request_uri;", "proxy_set_header Mesh-Auth-Uri :$uri;", "the target that nginx hands on", "test_differential.py -k path"),
    ("nginx.conf.mustache", "    underscores_in_headers off;\n", "    underscores_in_headers on;\n", "X_User beside X-User", "test_spoofs.py"),
    ("nginx.conf.mustache", "            proxy_set_header Mesh-Auth-Peer $remote_addr;\n", "            proxy_set_header Mesh-Auth-Peer 10.0.0.1;\n", "the peer's address", "test_agreement.py"),
]
