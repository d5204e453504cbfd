// The manifests of docs/providers as somebody copies them.
#include <doctest/doctest.h>

#include "cli/commands.h"
#include "cli/testing/run.h"
#include "core/model/testing/manifests.h"

using namespace meshauth::cli;
using namespace meshauth::cli::testing;
using meshauth::model::testing::read_text;
using meshauth::model::testing::yaml_blocks;

namespace {

struct Page {
  std::string vendor, provider, token;  ///< token: of core/plan/testdata/vendors
  int warnings = 0;                     ///< a second provider that the page's policy does not name
};
const Page kPages[] = {{"okta", "okta", "access"},
                       {"auth0", "auth0", "access"},
                       {"cognito", "cognito", "access"},
                       {"entra", "entra", "access", 1},
                       {"keycloak", "keycloak", "access"},
                       {"google", "google", "id"},
                       {"dex", "dex", "id"},
                       {"kubernetes", "cluster", "projected"}};

std::filesystem::path source(const std::string& path) {
  return std::filesystem::path(MESH_AUTH_SOURCE_DIR) / path;
}

std::string manifests(const Page& page) {
  std::string out;
  for (const std::string& block : yaml_blocks(read_text(source("docs/providers") / (page.vendor + ".md"))))
    out += block + "---\n";
  return out;
}

}  // namespace

TEST_CASE("pages of providers: lint has nothing to say about their manifests") {
  for (const Page& page : kPages) {
    CAPTURE(page.vendor);
    const TempFolder folder;
    const Outcome outcome = run(add_lint, {"lint", "-f", folder.file("page.yaml", manifests(page))});
    CAPTURE(outcome.err);
    CHECK(outcome.code == 0);
    CHECK(outcome.out.ends_with(" 1 policies read, 0 errors, " + std::to_string(page.warnings) + " warnings\n"));
  }
}

TEST_CASE("pages of providers: decide allows the vendor's caller what the page says, and nobody else") {
  for (const Page& page : kPages) {
    CAPTURE(page.vendor);
    const TempFolder folder;
    const auto token =
        nlohmann::json::parse(read_text(source("core/plan/testdata/vendors") / page.vendor / (page.token + ".json")));
    std::vector<std::string> arguments = {"decide",    "-f",         folder.file("page.yaml", manifests(page)),
                                          "--method",  "GET",        "--path",
                                          "/orders/7", "--workload", "shop/orders"};
    CHECK(run(add_decide, arguments).code == 3);
    arguments.insert(arguments.end(), {"--provider", "mesh-auth-system/" + page.provider, "--claims",
                                       folder.file("claims.json", token["claims"].dump())});
    const Outcome outcome = run(add_decide, arguments);
    CAPTURE(outcome.err);
    CAPTURE(outcome.out);
    CHECK(outcome.code == 0);
  }
}

TEST_CASE("pages of providers: the index names every page") {
  const std::string index = read_text(source("docs/providers/README.md"));
  for (const auto& entry : std::filesystem::directory_iterator(source("docs/providers"))) {
    const std::string file = entry.path().filename().string();
    CAPTURE(file);
    if (file != "README.md") CHECK(index.find("(" + file + ")") != std::string::npos);
  }
}
