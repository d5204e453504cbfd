#include "core/base/json_doc.h"

#include <algorithm>
#include <vector>

namespace meshauth {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

Reason check(element value, std::size_t depth_left) {
  const auto type = value.type();
  if (type != element_type::OBJECT && type != element_type::ARRAY) return Reason::none;
  if (depth_left == 0) return Reason::json_too_deep;
  if (type == element_type::ARRAY) {
    for (const element item : simdjson::dom::array(value)) {
      if (const Reason reason = check(item, depth_left - 1); reason != Reason::none) return reason;
    }
    return Reason::none;
  }
  constexpr std::size_t kFew = 16;  // up to here comparing each with each is cheaper than sorting
  std::string_view few[kFew];
  std::vector<std::string_view> many;
  std::size_t count = 0;
  for (const auto [name, item] : simdjson::dom::object(value)) {
    if (count < kFew) {
      if (std::find(few, few + count, name) != few + count) return Reason::json_duplicate;
      few[count] = name;
    } else {
      if (many.empty()) many.assign(few, few + kFew);
      many.push_back(name);
    }
    ++count;
    if (const Reason reason = check(item, depth_left - 1); reason != Reason::none) return reason;
  }
  std::sort(many.begin(), many.end());
  if (std::adjacent_find(many.begin(), many.end()) != many.end()) return Reason::json_duplicate;
  return Reason::none;
}

}  // namespace

tl::expected<JsonDoc, Reason> JsonDoc::parse(std::string_view bytes, const JsonLimits& limits) {
  if (bytes.size() > limits.bytes) return tl::unexpected(Reason::json_invalid);
  JsonDoc doc;
  doc.parser_ = std::make_unique<simdjson::dom::parser>();
  // One level more than allowed, so that our own walk says which of the two it was.
  if (doc.parser_->allocate(std::max<std::size_t>(bytes.size(), 32), limits.depth + 2) != simdjson::SUCCESS) {
    return tl::unexpected(Reason::json_invalid);
  }
  const auto error = doc.parser_->parse(bytes.data(), bytes.size()).get(doc.root_);
  if (error == simdjson::DEPTH_ERROR) return tl::unexpected(Reason::json_too_deep);
  if (error != simdjson::SUCCESS) return tl::unexpected(Reason::json_invalid);
  if (const Reason reason = check(doc.root_, limits.depth); reason != Reason::none) return tl::unexpected(reason);
  return doc;
}

std::string_view json_fault(Reason reason) noexcept {
  switch (reason) {
    case Reason::json_duplicate:
      return "an object has the same member twice";
    case Reason::json_too_deep:
      return "it is nested too deeply";
    default:
      return "it is not one valid JSON value of allowed size";
  }
}

}  // namespace meshauth
