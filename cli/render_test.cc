#include <doctest/doctest.h>

#include <fstream>

#include "cli/commands.h"
#include "cli/testing/manifests.h"
#include "cli/testing/run.h"
#include "core/bundle/bundle.h"

using namespace meshauth;
using namespace meshauth::cli;
using namespace meshauth::cli::testing;

namespace {

constexpr const char* kJwks = R"({"keys":[{"kty":"EC","kid":"k1","crv":"P-256",
  "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})";

struct RenderedShop {
  TempFolder folder;
  std::string manifest = folder.file("shop.yaml", kShop), jwks = folder.file("keys.json", kJwks);

  Outcome render(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{"render", "-f", manifest, "--templates",
                                       std::string(MESH_AUTH_SOURCE_DIR) + "/templates"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(add_render, arguments);
  }
};

std::string content(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("render: the files of each workload that a policy names, with the keys given, and their revision") {
  const RenderedShop shop;
  const std::string out = (shop.folder.path() / "out").string();
  const Outcome outcome = shop.render({"--jwks", "shop/idp=" + shop.jwks, "-o", out});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.err.empty());
  bundle::Files files;
  for (const std::string_view name : bundle::kFiles)
    files.emplace(name, content(out + "/shop/orders/" + std::string(name)));
  CHECK(outcome.out == "# workload shop/orders\n# revision " + bundle::revision_of(files) +
                           "\n# policies mesh-auth-system/revoked shop/orders\n# providers shop/idp\n");
  CHECK(files.at("jwks.json").find("\"k1\"") != std::string::npos);
  CHECK(files.at("policy.json").find("/orders/**") != std::string::npos);
}

TEST_CASE("render: without a folder everything is printed, and keys that are not there are told") {
  const RenderedShop shop;
  const Outcome outcome = shop.render();
  CHECK(outcome.code == 0);
  CHECK(outcome.err.find("give --jwks shop/idp=FILE") != std::string::npos);
  CHECK(outcome.out.find("## auth.conf\n") < outcome.out.find("## jwks.json\n"));
  CHECK(outcome.out.find("## jwks.json\n") < outcome.out.find("## policy.json\n"));
}

TEST_CASE("render: the same manifests give the same bytes") {
  const RenderedShop shop;
  CHECK(shop.render().out == shop.render().out);
}

TEST_CASE("render: another flavour has other files, or a reason why it has none") {
  const RenderedShop shop;
  CHECK(shop.render({"--flavour", "AuthRequest"}).code == 0);
  const Outcome plus = shop.render({"--flavour", "NginxPlus"});
  CHECK(plus.code == 1);
  CHECK(plus.err.find("or use flavour Module or AuthRequest") != std::string::npos);
  CHECK(shop.render({"--flavour", "plus"}).code == 2);
}

TEST_CASE("render: what is wrong is named") {
  const RenderedShop shop;
  CHECK(shop.render({"--jwks", "nonsense"}).code == 2);
  CHECK(shop.render({"--jwks", "shop/none=" + shop.jwks}).err.find("is not among the resources") != std::string::npos);
  CHECK(shop.render({"--jwks", "shop/idp=/nowhere"}).code == 2);
  CHECK(run(add_render, {"render", "-f", shop.manifest, "--templates", "/nowhere"}).err.find("--templates") !=
        std::string::npos);
  const std::string broken = shop.folder.file("broken.yaml",
                                              "apiVersion: meshauth.dev/v1alpha1\nkind: AccessPolicy\n"
                                              "metadata: {name: p}\nspec: {rules: [{action: Maybe}]}\n");
  const Outcome refused = run(add_render, {"render", "-f", broken});
  CHECK(refused.code == 1);
  CHECK(refused.err.find("spec.rules[0].action") != std::string::npos);
}
