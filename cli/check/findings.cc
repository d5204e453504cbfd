#include "cli/check/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace meshauth::cli::check {
namespace {

/// NAME is not the beginning of NAMESPACE.
void replace_word(std::string& text, std::string_view word, std::string_view by) {
  std::size_t at = text.find(word);
  while (at != std::string::npos) {
    const std::size_t end = at + word.size();
    const bool whole = end == text.size() || text[end] < 'A' || text[end] > 'Z';
    if (whole) text.replace(at, word.size(), by);
    at = text.find(word, whole ? at + by.size() : end);
  }
}

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::Error:
      return "error";
    case Severity::Warning:
      return "warning";
    case Severity::Info:
      return "info";
  }
  return "";
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
#define MESH_AUTH_ROW(name, id, severity, meaning, remedy) {id, Severity::severity, meaning, remedy},
      MESH_AUTH_FINDINGS(MESH_AUTH_ROW)
#undef MESH_AUTH_ROW
  };
  return all;
}

std::string ObjectName::text() const {
  std::string out = kind;
  if (!name.empty()) out += (out.empty() ? "" : " ") + (ns.empty() ? name : ns + "/" + name);
  return out;
}

std::string Finding::remedy() const {
  std::string out(kind_of(id).remedy);
  if (!object.ns.empty()) replace_word(out, "NAMESPACE", object.ns);
  if (!object.name.empty()) replace_word(out, "NAME", object.name);
  return out;
}

std::string Finding::link() const {
  return link_to(MESH_AUTH_DOCS_URL, id);
}

std::string link_to(std::string_view docs, Id id) {
  return fmt::format("{}findings.md#{}", docs.empty() ? "docs/" : docs, kind_of(id).id);
}

void Findings::add(Id id, ObjectName object, std::string found, std::optional<Severity> severity) {
  all_.push_back({id, severity.value_or(kind_of(id).severity), std::move(object), std::move(found)});
}

std::vector<Finding> Findings::sorted() && {
  const auto key = [](const Finding& f) { return std::tie(f.severity, f.id, f.object.ns, f.object.name, f.found); };
  std::sort(all_.begin(), all_.end(), [&](const Finding& a, const Finding& b) { return key(a) < key(b); });
  return std::move(all_);
}

}  // namespace meshauth::cli::check
