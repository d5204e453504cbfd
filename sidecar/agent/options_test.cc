#include "sidecar/agent/options.h"

#include <doctest/doctest.h>

namespace meshauth::agent {
namespace {

TEST_CASE("a mapping is a listener and an application, ports alone or with addresses") {
  using Protocol = Mapping::Protocol;
  struct Case {
    std::string_view text;
    Mapping want;
  };
  for (const auto& [text, want] : {
           Case{"8443:8080", {"8443", "127.0.0.1:8080", 8080, Protocol::Http1}},
           Case{"8443:8080:http1", {"8443", "127.0.0.1:8080", 8080, Protocol::Http1}},
           Case{"9000:9001:grpc", {"9000", "127.0.0.1:9001", 9001, Protocol::Grpc}},
           Case{"127.0.0.1:80:127.0.0.1:81", {"127.0.0.1:80", "127.0.0.1:81", 81, Protocol::Http1}},
           Case{"0.0.0.0:80:81", {"0.0.0.0:80", "127.0.0.1:81", 81, Protocol::Http1}},
           Case{"80:localhost:81:grpc", {"80", "localhost:81", 81, Protocol::Grpc}},
           Case{"[::]:80:[::1]:81", {"[::]:80", "[::1]:81", 81, Protocol::Http1}},
       }) {
    CAPTURE(text);
    const auto mapping = parse_mapping(text);
    REQUIRE(mapping);
    CHECK(*mapping == want);
  }
}

TEST_CASE("a mapping that is none says what would be right") {
  for (const auto* text : {"", "80", "80:", ":80", "80:0", "80:99999", "a:80", "80:81:tcp", "80:81:http1:x", "80;:81",
                           "0.0.0.0 ssl:80:81", "127.0.0.1:80:127.0.0.1:80", "[::1:80:81", "80:[;]:81"}) {
    CAPTURE(text);
    const auto mapping = parse_mapping(text);
    REQUIRE(!mapping);
    CHECK(mapping.error().message.find("LISTEN:APP[:http1|grpc] would be right") != std::string::npos);
  }
}

TEST_CASE("the operator is dialed over TLS alone") {
  CHECK(parse_operator_url("https://mesh-auth.ns.svc:8443") == OperatorUrl{"mesh-auth.ns.svc", "8443"});
  CHECK(parse_operator_url("https://mesh-auth/") == OperatorUrl{"mesh-auth", "443"});
  CHECK(parse_operator_url("https://[::1]:8443") == OperatorUrl{"::1", "8443"});
  for (const auto* text : {"", "http://a:1", "https://", "https://a:b", "https://a:1/path", "https://u@a:1", "a:1"}) {
    CAPTURE(text);
    CHECK(!parse_operator_url(text));
  }
}

Usage parse(std::vector<const char*> more) {
  std::vector<const char*> argv{"mesh-auth-agent", "--workload=shop/orders", "--operator=https://localhost:1",
                                "--token-file=t",  "--trust=/trust.json",    "--bundle-dir=/b"};
  argv.insert(argv.end(), more.begin(), more.end());
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

TEST_CASE("an address for listeners goes before those that are a port alone") {
  const auto listen = [](const char* address) {
    const auto usage = parse({"--map=80:80", "--map=127.0.0.1:81:82", address});
    return usage.options ? usage.options->mappings[0].listen + " " + usage.options->mappings[1].listen : usage.text;
  };
  CHECK(listen("--listen-address=10.0.0.5") == "10.0.0.5:80 127.0.0.1:81");
  CHECK(listen("--listen-address=fd00::1") == "[fd00::1]:80 127.0.0.1:81");
  CHECK(listen("--listen-address=").find("--listen-address") == 0);
  CHECK(listen("--listen-address=$(POD_IP)").find("--listen-address is \"$(POD_IP)\"; an IP address") == 0);
  CHECK(listen("--listen-address=a;b").find("an IP address would be right") != std::string::npos);
  CHECK(parse({"--map=80:80", "--listen-address=1.2.3.4", "--map=1.2.3.4:80:81"}).exit_code == 2);
}

TEST_CASE("probes have names of their own") {
  const char* probe = "--probe=app/live={\"httpGet\":{\"port\":1,\"path\":\"/a,b\"}}";
  const auto usage = parse({"--map=80:80", probe, "--probe=app/ready={\"tcpSocket\":{\"port\":2}}"});
  REQUIRE_MESSAGE(usage.options, usage.text);
  REQUIRE(usage.options->probes.size() == 2);
  CHECK(usage.options->probes[0].path == "/a,b");
  CHECK(parse({"--map=80:80", probe, probe}).text == "--probe: app/live is there twice\n");
}

TEST_CASE("a flavour is one that this agent runs") {
  CHECK(parse({"--map=80:81"}).options->flavour == model::Flavour::Module);
  CHECK(parse({"--map=80:81", "--flavour=AuthRequest"}).options->flavour == model::Flavour::AuthRequest);
  CHECK(parse({"--map=80:81", "--flavour=NginxPlus"}).text.find("Module or AuthRequest would be right") !=
        std::string::npos);
  CHECK(parse({"--map=80:81", "--flavour=auth"}).text.find("--flavour is \"auth\"") != std::string::npos);
}

TEST_CASE("a whole command line becomes options") {
  const auto usage = parse({"--map=80:81", "--map=82:83:grpc", "--preflight=Pass", "--workers=3",
                            "--audit-allowed=0.25", "--log-format=json"});
  CAPTURE(usage.text);
  REQUIRE(usage.options);
  CHECK(usage.options->mappings.size() == 2);
  CHECK(usage.options->preflight == "pass");
  CHECK(usage.options->workers == 3);
  CHECK(usage.options->audit_allowed == 0.25);
  CHECK(usage.options->work_dir == "/b.nginx");
}

TEST_CASE("who is to be told to drain stands alone") {
  const char* argv[] = {"mesh-auth-agent", "--drain=/w/agent.pid"};
  const auto usage = parse_options(2, argv);
  CAPTURE(usage.text);
  CHECK(!usage.options);
  CHECK(usage.exit_code == 0);
  CHECK(usage.drain == "/w/agent.pid");
}

TEST_CASE("wrong usage is exit code 2 and names the flag") {
  struct Case {
    std::vector<const char*> more;
    std::string named;
  };
  for (const auto& [more, named] : {
           Case{{}, "--map"},
           Case{{"--map=80"}, "--map"},
           Case{{"--map=80:81", "--map=80:82"}, "--map: two servers listen on 80"},
           Case{{"--map=80:81", "--workers=0"}, "--workers"},
           Case{{"--map=80:81", "--workers=many"}, "--workers"},
           Case{{"--map=80:81", "--preflight=maybe"}, "--preflight"},
           Case{{"--map=80:81", "--audit-allowed=2"}, "--audit-allowed"},
           Case{{"--map=80:81", "--no-such-flag"}, "no-such-flag"},
           Case{{"--map=80:81", "--instance=A/B"}, "--instance"},
           Case{{"--map=80:81", "--log-level=loud"}, "--log-level"},
       }) {
    const auto usage = parse(more);
    CAPTURE(named);
    CAPTURE(usage.text);
    CHECK(!usage.options);
    CHECK(usage.exit_code == 2);
    CHECK(usage.text.find(named) != std::string::npos);
  }
  CHECK(parse({"--drain="}).exit_code == 2);
  CHECK(parse({"--help"}).exit_code == 0);
  CHECK(parse({"--version"}).text == MESH_AUTH_VERSION "\n");
}

}  // namespace
}  // namespace meshauth::agent
