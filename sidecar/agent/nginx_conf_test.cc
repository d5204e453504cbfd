#include "sidecar/agent/nginx_conf.h"

#include <doctest/doctest.h>

#include <unistd.h>
#include "core/bundle/bundle.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/bundle/keys.h"
#include "sidecar/agent/folder.h"
#include "sidecar/agent/testing/program.h"
#include "sidecar/agent/testing/temporary.h"

namespace meshauth::agent {
namespace {

namespace fs = std::filesystem;

/// Folders and files that a rendered configuration names, so that nginx -t can look at it.
struct Place {
  explicit Place(const std::string& under = "") {
    const std::string base = folder.path() + under;
    fs::create_directories(base + "/nginx/temporary");
    fs::create_directories(base + "/bundle");
    options.workload = "shop/orders";
    options.bundle_dir = base + "/bundle";
    options.trust_file = base + "/trust.json";
    options.module = testing::module_path();
    options.templates = MESH_AUTH_SOURCE_DIR "/templates";
    options.mappings = {*parse_mapping("127.0.0.1:18080:18081")};
    std::ofstream(options.trust_file) << bundle::Trust{{bundle::SigningKey::generate().public_key()}, {}}.to_json();
    place = {base + "/nginx", base + "/nginx/agent.sock", base + "/nginx/decide.sock", ::geteuid() == 0 ? "root" : "",
             256};
    const std::string auth = "# from the operator\nproxy_set_header x-user $mesh_auth_header_x_user;\n";
    REQUIRE(write_file(place.folder + "/auth.conf", auth));
    REQUIRE(write_file(place.folder + "/auth.grpc.conf", grpc_auth_conf(auth)));
    REQUIRE(write_file(place.folder + "/auth.digest.conf", "mesh_auth_conf " + bundle::auth_conf_digest(auth) + ";\n"));
  }

  std::string rendered() const {
    const auto conf = render_nginx_conf(options, place);
    CAPTURE(conf ? "" : conf.error().message);
    REQUIRE(conf);
    return *conf;
  }
  /// What nginx -t says; empty if it passes.
  std::string refused_by_nginx() const {
    REQUIRE(write_file(place.folder + "/nginx.conf", rendered()));
    const auto said = place.folder + "/said";
    const auto command =
        fmt::format("/usr/sbin/nginx -t -q -e stderr -p '{0}' -c '{0}/nginx.conf' 2>'{1}'", place.folder, said);
    return std::system(command.c_str()) == 0 ? "" : *read_file(said, 10'000);
  }

  testing::TemporaryFolder folder;
  Options options;
  NginxPlace place;
};

TEST_CASE("nginx takes what is rendered, with every flag") {
  Place p;
  SUBCASE("the defaults") {}
  SUBCASE("gRPC beside HTTP") {
    p.options.mappings = {*parse_mapping("127.0.0.1:18080:18081"), *parse_mapping("[::1]:18082:18083:grpc"),
                          *parse_mapping("18084:[::1]:18085:http1")};
  }
  SUBCASE("everything that may be set") {
    p.options.mode = "observe";
    p.options.path_allow = "encoded-slash,semicolon";
    p.options.preflight = "pass";
    p.options.error_body = "plain";
    p.options.resource_metadata = "https://app.test/.well-known/oauth-protected-resource?x=(1)";
    p.options.audit_allowed = 0.125;
    p.options.token_cache = "64k";
  }
  CHECK(p.refused_by_nginx() == "");
}

TEST_CASE("a stock nginx takes what is rendered for it, with every flag") {
  Place p;
  p.options.flavour = model::Flavour::AuthRequest;
  p.options.module = "/no/such/module";
  REQUIRE(write_file(p.place.folder + "/auth.digest.conf",
                     "proxy_set_header Mesh-Auth-Conf " + std::string(64, 'a') + ";\n"));
  const std::string auth =
      "auth_request_set $mesh_auth_header_x_user $upstream_http_mesh_auth_header_x_user;\n"
      "proxy_set_header x-user $mesh_auth_header_x_user;\n";
  REQUIRE(write_file(p.place.folder + "/auth.conf", auth));
  REQUIRE(write_file(p.place.folder + "/auth.grpc.conf", grpc_auth_conf(auth)));
  SUBCASE("the defaults") {}
  SUBCASE("gRPC beside HTTP, plain bodies") {
    p.options.mappings = {*parse_mapping("127.0.0.1:18080:18081"), *parse_mapping("[::1]:18082:18083:grpc")};
    p.options.error_body = "plain";
  }
  CHECK(p.refused_by_nginx() == "");
  const auto conf = p.rendered();
  CHECK(conf.find("auth_request mesh-auth;") != std::string::npos);
  CHECK(conf.find("load_module") == std::string::npos);
  CHECK(conf.find("mesh_auth on") == std::string::npos);
}

TEST_CASE("paths with spaces and quotes are one token") {
  const Place p("/a \"b\"; include {x}");
  CHECK(p.refused_by_nginx() == "");
}

TEST_CASE("a value that nginx would expand or cannot quote is refused, and named") {
  Place p;
  SUBCASE("a variable") {
    p.options.resource_metadata = "https://$host/";
  }
  SUBCASE("a line feed") {
    p.options.token_cache = "1m;\nload_module x";
  }
  CHECK(!render_nginx_conf(p.options, p.place));
}

TEST_CASE("values of flags stay values: nginx refuses them as such") {
  Place p;
  SUBCASE("mode") {
    p.options.mode = "off; return 200";
  }
  SUBCASE("path-allow") {
    p.options.path_allow = "semicolon; mesh_auth off";
  }
  SUBCASE("cache") {
    p.options.token_cache = "16m; mesh_auth off";
  }
  CHECK(p.refused_by_nginx().find("mesh_auth") != std::string::npos);
}

TEST_CASE("only the one proxied location decides, and no header of identity bypasses auth.conf") {
  const Place p;
  const auto conf = p.rendered();
  CHECK(conf.find("mesh_auth on;") != std::string::npos);
  CHECK(conf.find("mesh_auth off") == std::string::npos);
  CHECK(conf.find("mesh_auth_port 18081;") != std::string::npos);
  CHECK(conf.find("Connection $mesh_connection;") != std::string::npos);
  CHECK(conf.find("access_log /dev/stdout mesh_auth if=$mesh_auth_log;") != std::string::npos);
}

TEST_CASE("gRPC gets the same headers as HTTP") {
  CHECK(grpc_auth_conf("# c\nproxy_set_header a $b;\n\nproxy_set_header c $d;\n") ==
        "# c\ngrpc_set_header a $b;\n\ngrpc_set_header c $d;\n");
  CHECK(grpc_auth_conf("").empty());
}

}  // namespace
}  // namespace meshauth::agent
