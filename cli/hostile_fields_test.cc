// Every string field of both resources, each with hundreds of hostile values, on the way that `render` goes: refused
// with the field's name, or rendered as data. Nothing that a resource says becomes a directive of nginx.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "cli/commands.h"
#include "cli/testing/hostile_fields.h"
#include "cli/testing/run.h"
#include "core/base/text.h"
#include "core/render/testing/hostile_values.h"
#include "core/render/testing/nginx_tokens.h"
#include "operator/files/manifest.h"

namespace meshauth::cli::testing {
namespace {

constexpr std::size_t kLeastValues = 300;

/// What became of a resource.
struct Rendered {
  std::string refused;  ///< what is wrong with it; the rest is empty then
  bundle::Files files;
  std::vector<render::testing::Directive> directives;
  json policy, jwks;
  bool shared = true;  ///< provider shop/idp is in the bundle
};

json read_json(const std::string& text) {
  const json out = json::parse(text, nullptr, false);
  CHECK_FALSE(out.is_discarded());
  return out;
}

/// The field of a fault is the leaf, or what holds it; or another field that must name the same variable.
bool names(const model::FieldErrors& faults, const Leaf& leaf, const json& object) {
  const std::string value = leaf.key ? "" : object.at(leaf.at).get<std::string>();
  return std::any_of(faults.begin(), faults.end(), [&](const model::FieldError& fault) {
    if (leaf.field.ends_with("pathVariable") && fault.message.find("{" + value + "}") != std::string::npos) return true;
    return fault.field != "spec" && (fault.field.starts_with(leaf.field) || leaf.field.starts_with(fault.field));
  });
}

void check_message(const std::string& message) {
  CAPTURE(in_quotes(message, 400));
  CHECK(message.size() > 20);
  CHECK(message.size() < 2000);
  CHECK(valid_utf8(message));
  CHECK(std::none_of(message.begin(), message.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
}

Rendered rendered(const Leaf& leaf, const json& object) {
  Rendered out;
  model::FieldErrors faults;
  const auto resources = resources_with(object, faults);
  if (!resources) {
    out.refused = model::to_message(faults);
    CAPTURE(in_quotes(out.refused, 400));
    CHECK(names(faults, leaf, object));
    for (const auto& fault : faults) check_message(fault.field + ": " + fault.message);
    return out;
  }
  const auto plan = offline_plan(*resources, mesh(), workload_of(*resources), Keys());
  CAPTURE(plan ? "" : plan.error().message);
  REQUIRE(plan);
  out.files = plan->files;
  out.shared = std::find(plan->providers.begin(), plan->providers.end(), kProviderId) != plan->providers.end();
  const auto directives = render::testing::read_directives(plan->files.at("auth.conf"));
  REQUIRE(directives);
  out.directives = *directives;
  out.policy = read_json(plan->files.at("policy.json"));
  out.jwks = read_json(plan->files.at("jwks.json"));
  CHECK(bundle::read_jwks(plan->files.at("jwks.json")));
  CHECK(policy::from_json(plan->files.at("policy.json")));
  return out;
}

/// The same members, lengths and types. Members of `sources` are named after where their keys come from.
bool same_shape(const json& a, const json& b, bool any_names = false) {
  if (a.is_number() && b.is_number()) return true;
  if (a.type() != b.type() || a.size() != b.size()) return false;
  if (!a.is_structured()) return true;
  auto at = b.begin();
  for (const auto& [name, value] : a.items()) {
    if (a.is_object() && !any_names && at.key() != name) return false;
    if (!same_shape(value, *at++, a.is_object() && name == "sources")) return false;
  }
  return true;
}

bool holds_text(const json& value, const std::string& text) {
  if (value.is_string()) return value == text || value == to_lower(text);
  return value.is_structured() &&
         std::any_of(value.begin(), value.end(), [&](const json& item) { return holds_text(item, text); });
}

/// auth.conf has this value's own line and nothing else that is new.
void check_lines(const Rendered& now, const Rendered& right, const std::string& value) {
  for (const auto& one : now.directives) {
    CHECK(one.words.size() == 3);
    CHECK(one.words.front() == "proxy_set_header");
    const bool known = std::find(right.directives.begin(), right.directives.end(), one) != right.directives.end();
    CHECK((known || one.words[1] == to_lower(value)));
  }
}

struct Counts {
  std::size_t values = 0, refused = 0, rendered = 0;
};

class FieldTest {
 public:
  FieldTest(const Leaf& leaf, std::set<std::string>& confs) : leaf_(leaf), confs_(confs) {
    right_ = rendered(leaf, leaf.object);
    CHECK(right_.refused.empty());
    CHECK(right_.shared);
    CHECK(!right_.directives.empty());
    const std::string own = leaf.value();
    in_bundle_ = !own.empty() && (holds_text(right_.policy, own) || holds_text(right_.jwks, own));
  }

  Counts run() {
    Counts out;
    for (const std::string& value : render::testing::hostile_values(leaf_.value())) {
      CAPTURE(in_quotes(value));
      ++out.values;
      const json object = leaf_.with(value);
      const bool refused = valid_utf8(value) ? refused_or_data(object, value) : refused_unread(object, value);
      ++(refused ? out.refused : out.rendered);
    }
    return out;
  }

 private:
  bool refused_or_data(const json& object, const std::string& value) {
    const Rendered now = rendered(leaf_, object);
    if (!now.refused.empty()) return true;
    confs_.insert(now.files.at("auth.conf"));
    // Who may refer to a provider is the one thing that such a value may change.
    if (!now.shared && leaf_.name.find("allowedNamespaces") != std::string::npos) {
      CHECK(now.directives.empty());
      return false;
    }
    check_lines(now, right_, value);
    // Another name that is one: whatever refers to the object by the old one does not find it.
    if (leaf_.field.starts_with("metadata.")) return false;
    CHECK(render::testing::structure(now.directives) == render::testing::structure(right_.directives));
    CHECK(same_shape(now.policy, right_.policy));
    CHECK(same_shape(now.jwks, right_.jwks));
    if (in_bundle_) CHECK((holds_text(now.policy, value) || holds_text(now.jwks, value)));
    return false;
  }

  /// JSON and YAML are UTF-8: what is none never becomes an object.
  bool refused_unread(const json& object, const std::string& value) {
    const std::string text = manifest_with(object, value);
    CHECK(json::parse(text, nullptr, false).is_discarded());
    const auto read = files::parse_manifests(text, "manifest.yaml");
    CHECK_FALSE(read);
    if (!read) check_message(read.error().message);
    return true;
  }

  const Leaf& leaf_;
  std::set<std::string>& confs_;
  Rendered right_;
  bool in_bundle_ = false;
};

/// For a test that asks nginx itself: MESH_AUTH_HOSTILE_OUT names a folder.
void leave_for_nginx(const std::set<std::string>& confs) {
  const char* folder = std::getenv("MESH_AUTH_HOSTILE_OUT");
  if (folder == nullptr) return;
  std::size_t number = 0;
  for (const std::string& conf : confs) {
    std::ofstream(fmt::format("{}/auth.{}.conf", folder, number++), std::ios::binary) << conf;
  }
}

}  // namespace

TEST_CASE("hostile values of every string field are refused by name, or data in the bundle") {
  const std::vector<Leaf> leaves = schema_leaves();
  CHECK(leaves.size() >= 60);
  std::set<std::string> confs;
  Counts all;
  std::size_t open_fields = 0;
  for (const Leaf& leaf : leaves) {
    CAPTURE(leaf.name);
    const Counts counts = FieldTest(leaf, confs).run();
    CHECK(counts.values >= kLeastValues);
    all.values += counts.values;
    all.refused += counts.refused;
    all.rendered += counts.rendered;
    open_fields += counts.rendered > 0;
  }
  CHECK(all.refused + all.rendered == all.values);
  CHECK(open_fields >= 20);
  CHECK(confs.size() >= 3);
  leave_for_nginx(confs);
  MESSAGE(fmt::format("{} fields, {} values: {} refused, {} rendered as data; {} different auth.conf", leaves.size(),
                      all.values, all.refused, all.rendered, confs.size()));
}

TEST_CASE("render, given manifests with hostile values, refuses them or writes what it writes otherwise") {
  std::size_t number = 0, rendered_ones = 0;
  for (const Leaf& leaf : schema_leaves()) {
    CAPTURE(leaf.name);
    for (const std::string& value : render::testing::hostile_values(leaf.value())) {
      if (++number % 97 != 0) continue;
      CAPTURE(in_quotes(value));
      const std::string text = manifest_with(leaf.with(value), value) + "\n---\n" + companions(leaf.with(value));
      const Outcome outcome = run(add_render, {"render", "-f", "-", "--templates", kTemplates}, text);
      CAPTURE(outcome.err);
      CHECK((outcome.code == 0 || outcome.code == 1));
      CHECK(valid_utf8(outcome.err));
      if (outcome.code != 0) continue;
      ++rendered_ones;
      const auto begin = outcome.out.find("## auth.conf\n"), end = outcome.out.find("## jwks.json\n");
      REQUIRE(begin < end);
      const auto read = render::testing::read_directives(std::string_view(outcome.out).substr(begin, end - begin));
      REQUIRE(read);
      for (const auto& one : *read) CHECK(one.words.front() == "proxy_set_header");
    }
  }
  CHECK(rendered_ones >= 20);
}

}  // namespace meshauth::cli::testing
