#include "operator/kube/cluster_config.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/base/base64.h"
#include "operator/http/testing/fake_client.h"
#include "operator/kube/connection.h"

namespace meshauth::kube {
namespace {

using std::chrono::seconds;

// A folder that goes with the test.
struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/mesh-auth-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& content, int mode = 0600) const {
    const std::string file = path + "/" + name;
    std::ofstream(file, std::ios::trunc) << content;
    ::chmod(file.c_str(), static_cast<mode_t>(mode));
    return file;
  }
};

std::string kubeconfig(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: one\ncontexts:\n"
         "- {name: one, context: {cluster: c, user: u, namespace: shop}}\n"
         "- {name: two, context: {cluster: nowhere, user: u}}\n"
         "- {name: three, context: {cluster: c, user: nobody}}\n"
         "clusters:\n- name: c\n  cluster: " +
         cluster + "\nusers:\n- name: u\n  user: " + user + "\n";
}
const std::string kCluster = "{server: 'https://api.test:6443/'}";

Environment environment(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST_CASE("a kubeconfig gives server, trust, namespace and credentials") {
  const Folder folder;
  folder.write("ca.pem", "CA");
  folder.write("me.key", "KEY");
  SUBCASE("files beside it, and data in it") {
    const std::string file = folder.write(
        "config", kubeconfig("{server: 'https://api.test:6443/', certificate-authority: ca.pem, tls-server-name: x}",
                             "{client-certificate-data: " + base64_encode("CERT") + ", client-key: me.key}"));
    const auto config = load_kubeconfig({file}, "");
    REQUIRE_MESSAGE(config.has_value(), config.error().message);
    CHECK(config->server == "https://api.test:6443");
    CHECK(config->tls.ca_pem == "CA");
    CHECK(config->tls.server_name == "x");
    CHECK(config->ns == "shop");
    CHECK(config->context == "one");
    CHECK(config->credentials->get().value() == Auth{"", "CERT", "KEY"});
  }
  SUBCASE("data goes before files, a token file before a token") {
    folder.write("token", "from-file\n");
    const std::string file = folder.write(
        "config", kubeconfig("{server: https://a, certificate-authority: none, certificate-authority-data: " +
                                 base64_encode("DATA") + "}",
                             "{token: old, tokenFile: token}"));
    const auto config = load_kubeconfig({file}, "");
    REQUIRE_MESSAGE(config.has_value(), config.error().message);
    CHECK(config->tls.ca_pem == "DATA");
    CHECK(config->credentials->get()->bearer == "from-file");
  }
  SUBCASE("of two files the first that says something counts") {
    const std::string first = folder.write("first", "kind: Config\nusers: [{name: u, user: {token: first}}]\n");
    const std::string second = folder.write("second", kubeconfig(kCluster, "{token: second}"));
    const auto config = load_kubeconfig({first, second}, "");
    REQUIRE_MESSAGE(config.has_value(), config.error().message);
    CHECK(config->credentials->get()->bearer == "first");
  }
}

TEST_CASE("a kubeconfig that cannot be used says what is wrong and what would be right") {
  const Folder folder;
  struct Case {
    std::string content;
    std::string context;
    const char* error;
  };
  const std::vector<Case> cases = {
      {"[", "", "is no kubeconfig: line"},
      {"- a", "", "should be a YAML map of kind Config"},
      {"kind: Pod", "", "should be a YAML map of kind Config"},
      {"kind: Config", "", "has no current-context; give --context, one of: none"},
      {kubeconfig(kCluster, "{}"), "four", "has no context \"four\"; it has: \"one\", \"two\", \"three\""},
      {kubeconfig(kCluster, "{}"), "two", "names the cluster \"nowhere\", which is not there"},
      {kubeconfig(kCluster, "{}"), "three", "names the user \"nobody\", which is not there"},
      {kubeconfig("{}", "{}"), "", "cluster \"c\" has no server"},
      {kubeconfig("{x: y}", "{}"), "", "cluster \"c\" has no server"},
      {kubeconfig("{server: 'https://a', proxy-url: 'http://p'}", "{}"), "", "proxy-url, which is not supported"},
      {kubeconfig("{server: 'https://a', certificate-authority: gone.pem}", "{}"), "",
       "gone.pem cannot be read: No such file"},
      {kubeconfig("{server: 'https://a', certificate-authority-data: '%%'}", "{}"), "",
       "certificate-authority-data is not base64"},
      {kubeconfig("{server: 'https://a', insecure-skip-tls-verify: true, certificate-authority-data: QQ==}", "{}"), "",
       "one of them has to go"},
      {kubeconfig(kCluster, "{tokenFile: gone}"), "", "the token file: "},
      {kubeconfig(kCluster, "{username: me, password: hidden}"), "", "has username, which is not supported"},
      {kubeconfig(kCluster, "{auth-provider: {name: gcp}}"), "", "has auth-provider, which is not supported"},
      {kubeconfig(kCluster, "{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}}"), "",
       "it should be client.authentication.k8s.io/v1"},
      {kubeconfig(kCluster,
                  "{exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}}"),
       "", "no terminal to offer"},
  };
  for (const Case& test : cases) {
    CAPTURE(test.error);
    const auto config = load_kubeconfig({folder.write("config", test.content)}, test.context);
    REQUIRE(!config.has_value());
    CAPTURE(config.error().message);
    CHECK(config.error().message.find(test.error) != std::string::npos);
    CHECK(config.error().message.find("hidden") == std::string::npos);
  }
}

TEST_CASE("where the cluster is looked for, and what is said if there is none") {
  const Folder folder;
  const std::string file = folder.write("config", kubeconfig(kCluster, "{token: t}"));
  const auto message = [](const Result<ClusterConfig>& config) {
    REQUIRE(!config.has_value());
    return config.error().message;
  };
  CHECK(load_cluster_config({.kubeconfig = file}, environment({{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}})).has_value());
  CHECK(load_cluster_config({}, environment({{"KUBECONFIG", "/none:" + file}})).has_value());
  CHECK(message(load_cluster_config({.kubeconfig = "/none"}, environment({})))
            .find("/none cannot be read: No such file") != std::string::npos);
  CHECK(message(load_cluster_config({}, environment({{"KUBECONFIG", "/none"}}))).find("no such file exists") !=
        std::string::npos);
  CHECK(message(load_cluster_config({}, environment({{"HOME", folder.path}}))).find("give --kubeconfig FILE") !=
        std::string::npos);
}

TEST_CASE("in a cluster the token is read again each minute and outlives its file") {
  const Folder folder;
  FakeClock clock;
  folder.write("ca.crt", "CA");
  folder.write("token", "first\n");
  folder.write("namespace", "mesh-auth-system\n");
  const auto where = environment({{"KUBERNETES_SERVICE_HOST", "fd00::1"}, {"KUBERNETES_SERVICE_PORT", "443"}});
  const auto config = load_in_cluster(where, folder.path, clock);
  REQUIRE_MESSAGE(config.has_value(), config.error().message);
  CHECK(config->server == "https://kubernetes.default.svc:443");
  CHECK(config->ns == "mesh-auth-system");
  Credentials& credentials = *config->credentials;
  CHECK(credentials.get()->bearer == "first");
  folder.write("token", "second");
  CHECK(credentials.get()->bearer == "first");
  clock.advance(seconds(61));
  CHECK(credentials.get()->bearer == "second");
  CHECK(!credentials.refused());
  folder.write("token", "third");
  CHECK(credentials.refused());
  CHECK(credentials.get()->bearer == "third");
  std::filesystem::remove(folder.path + "/token");
  clock.advance(seconds(61));
  CHECK(credentials.get()->bearer == "third");
  const auto without = load_in_cluster(where, folder.path, clock);
  REQUIRE(!without.has_value());
  CHECK(without.error().message.find("automountServiceAccountToken") != std::string::npos);
}

std::string exec_user(const std::string& command, const std::string& more = {}) {
  return "{exec: {apiVersion: client.authentication.k8s.io/v1, command: " + command +
         ", installHint: install it, env: [{name: COLOUR, value: red}], args: [one]" + more + "}}";
}

TEST_CASE("an exec plugin's credential is kept until it expires or is refused") {
  const Folder folder;
  FakeClock clock;
  // Counts its runs; the token says which one it is of. The fake clock's year is 2020.
  folder.write(
      "plugin",
      "#!/bin/sh\necho x >> " + folder.path + "/runs\nn=$(wc -l < " + folder.path +
          "/runs)\n"
          "echo \"$KUBERNETES_EXEC_INFO\" > " +
          folder.path + "/info\n" +
          R"(echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"'$1-$COLOUR-$n'",)"
          R"("expirationTimestamp":"2020-02-01T00:00:00Z"}}')"
          "\n",
      0700);
  const std::string file =
      folder.write("config", kubeconfig(kCluster, exec_user("./plugin", ", provideClusterInfo: true")));
  const auto config = load_kubeconfig({file}, "", clock);
  REQUIRE_MESSAGE(config.has_value(), config.error().message);
  CHECK(!std::filesystem::exists(folder.path + "/runs"));
  CHECK(config->credentials->get().value().bearer == "one-red-1");
  CHECK(config->credentials->get()->bearer == "one-red-1");
  CHECK(config->credentials->refused());
  CHECK(config->credentials->get()->bearer == "one-red-2");
  clock.advance(std::chrono::hours(24 * 60));
  CHECK(config->credentials->get()->bearer == "one-red-3");
  std::stringstream info;
  info << std::ifstream(folder.path + "/info").rdbuf();
  CHECK(info.str().find(R"("server":"https://api.test:6443")") != std::string::npos);
}

TEST_CASE("an exec plugin that fails is named, with its hint, and without what it printed") {
  const Folder folder;
  const auto error_of = [&](const std::string& script, int mode = 0700) {
    folder.write("plugin", "#!/bin/sh\n" + script + "\n", mode);
    const auto config = load_kubeconfig({folder.write("config", kubeconfig(kCluster, exec_user("./plugin")))}, "");
    REQUIRE(config.has_value());
    const auto auth = config->credentials->get();
    REQUIRE(!auth.has_value());
    CHECK(auth.error().message.find("hidden") == std::string::npos);
    return auth.error().message;
  };
  CHECK(error_of("echo hidden; exit 3").find("ended with exit code 3; install it") != std::string::npos);
  CHECK(error_of("echo hidden").find("did not print an ExecCredential") != std::string::npos);
  CHECK(error_of(R"(echo '{"kind":"ExecCredential","apiVersion":"v9"}')").find("printed an ExecCredential of \"v9\"") !=
        std::string::npos);
  CHECK(error_of(R"(echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{}}')")
            .find("neither a token nor a client certificate") != std::string::npos);
  CHECK(error_of("", 0600).find("cannot be started: Permission denied; install it") != std::string::npos);
  CHECK(error_of("yes hidden").find("printed more than") != std::string::npos);
  const auto slow = exec_credentials({.api_version = "client.authentication.k8s.io/v1",
                                      .command = "/bin/sleep",
                                      .arguments = {"600"},
                                      .deadline = std::chrono::milliseconds(100)});
  const auto auth = slow->get();
  REQUIRE(!auth.has_value());
  CHECK(auth.error().message.find("did not finish within 100 ms") != std::string::npos);
}

// Gives a new certificate and token after each refusal.
class Changing : public Credentials {
 public:
  Result<Auth> get() override {
    const std::string n = std::to_string(generation_);
    return Auth{"token-" + n, with_certificate ? "cert-" + n : "", with_certificate ? "key-" + n : ""};
  }
  bool refused() override {
    ++generation_;
    return can_change;
  }
  bool with_certificate = false;
  bool can_change = true;

 private:
  int generation_ = 1;
};

struct Connected {
  std::shared_ptr<Changing> credentials = std::make_shared<Changing>();
  std::shared_ptr<http::testing::FakeClient> server = std::make_shared<http::testing::FakeClient>();
  std::vector<std::string> certificates;
  std::shared_ptr<http::Client> client;

  Connected() {
    auto made =
        connect({.server = "https://a", .credentials = credentials},
                [this](const std::string&, const http::TlsOptions& tls) -> Result<std::shared_ptr<http::Client>> {
                  certificates.push_back(tls.certificate_pem);
                  return server;
                });
    REQUIRE(made.has_value());
    client = *made;
  }
  std::string authorization(std::size_t request) const {
    return std::string(http::find_header(server->requests().at(request).headers, "Authorization").value_or("none"));
  }
};

TEST_CASE("a 401 is tried once more with newer credentials, and no more than once") {
  Connected c;
  c.server->expect({.method = "GET", .target = "/a", .status = 401});
  c.server->expect({.method = "GET", .target = "/a", .status = 200});
  CHECK(c.client->send({.method = "GET", .target = "/a"}, {}, {})->status == 200);
  CHECK(c.authorization(0) == "Bearer token-1");
  CHECK(c.authorization(1) == "Bearer token-2");
  c.server->expect({.method = "GET", .target = "/b", .status = 401});
  c.server->expect({.method = "GET", .target = "/b", .status = 401});
  CHECK(c.client->send({.method = "GET", .target = "/b"}, {}, {})->status == 401);
  c.credentials->can_change = false;
  c.server->expect({.method = "GET", .target = "/c", .status = 401});
  CHECK(c.client->stream_lines({.method = "GET", .target = "/c"}, {}, {}, {})->status == 401);
  CHECK(c.server->complaints() == "");
}

TEST_CASE("another client certificate makes another connection") {
  Connected c;
  c.credentials->with_certificate = true;
  for (int i = 0; i < 3; ++i) c.server->expect({.method = "GET", .target = "/"});
  const http::Request request{.method = "GET", .target = "/"};
  CHECK(c.client->send(request, {}, {}).has_value());
  CHECK(c.client->send(request, {}, {}).has_value());
  c.credentials->refused();
  CHECK(c.client->send(request, {}, {}).has_value());
  CHECK(c.certificates == std::vector<std::string>{"", "cert-1", "cert-2"});
}

}  // namespace
}  // namespace meshauth::kube
