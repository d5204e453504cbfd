#include "cli/check/findings.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace meshauth::cli::check {
namespace {

std::string read(const std::string& name) {
  std::ifstream file(std::string(MESH_AUTH_SOURCE_DIR) + "/" + name);
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

}  // namespace

TEST_CASE("every finding has an id of its own, says what to do, and links to a section that exists") {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < kinds().size(); ++i) {
    const Kind& kind = kinds()[i];
    CAPTURE(kind.id);
    CHECK(seen.insert(kind.id).second);
    CHECK(!kind.meaning.empty());
    CHECK(std::string_view(".?").find(kind.remedy.back()) != std::string_view::npos);
    const std::string link = link_to("", static_cast<Id>(i));
    const auto hash = link.find('#');
    REQUIRE(hash != std::string::npos);
    // A heading's anchor is its text, where that is lower case and hyphens.
    CHECK(read(link.substr(0, hash)).find("\n## " + link.substr(hash + 1) + "\n") != std::string::npos);
  }
}

TEST_CASE("a link is an address where the build knows one, and a path in the repository else") {
  CHECK(link_to("https://docs.example/1.2/", Id::SidecarBehind) ==
        "https://docs.example/1.2/findings.md#sidecar-behind");
  CHECK(link_to("", Id::SidecarBehind) == "docs/findings.md#sidecar-behind");
}

TEST_CASE("a remedy names the object") {
  const Finding pod{Id::SidecarDisconnected, Severity::Warning, {"Pod", "shop", "orders-1"}, ""};
  CHECK(pod.remedy().find("kubectl logs -n shop orders-1 -c mesh-auth") != std::string::npos);
  const Finding crd{Id::CrdNotEstablished, Severity::Error, {"CustomResourceDefinition", "", "a.b"}, ""};
  CHECK(crd.remedy().starts_with("kubectl describe crd a.b says why"));
  const Finding nothing{Id::SidecarDisconnected, Severity::Warning, {}, ""};
  CHECK(nothing.remedy().find("-n NAMESPACE NAME") != std::string::npos);
  const Finding name_alone{Id::SidecarDisconnected, Severity::Warning, {"Pod", "", "x"}, ""};
  CHECK(name_alone.remedy().find("-n NAMESPACE x ") != std::string::npos);
}

}  // namespace meshauth::cli::check
