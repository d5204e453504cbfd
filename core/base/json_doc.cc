#include "core/base/json_doc.h"

#include <algorithm>
#include <vector>

#include "core/base/json_number.h"
#include "core/base/text.h"

namespace meshauth {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

/// Equal for equal texts, and seldom for others.
std::uint32_t print_of(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  if (text.empty()) return 0;
  return static_cast<std::uint32_t>(text.size()) << 24 ^ byte(0) << 16 ^ byte(text.size() / 2) << 8 ^
         byte(text.size() - 1);
}

/// `twice`: the member that is there twice, if that is the reason.
Reason check(element value, std::size_t depth_left, std::string_view& twice) {
  const auto type = value.type();
  if (type != element_type::OBJECT && type != element_type::ARRAY) return Reason::none;
  if (depth_left == 0) return Reason::json_too_deep;
  if (type == element_type::ARRAY) {
    for (const element item : simdjson::dom::array(value)) {
      if (const Reason reason = check(item, depth_left - 1, twice); reason != Reason::none) return reason;
    }
    return Reason::none;
  }
  constexpr std::size_t kFew = 16;  // up to here comparing each with each is cheaper than sorting
  std::string_view few[kFew];
  std::uint32_t prints[kFew];
  std::vector<std::string_view> many;
  std::size_t count = 0;
  for (const auto [name, item] : simdjson::dom::object(value)) {
    if (count < kFew) {
      prints[count] = print_of(name);
      for (std::size_t i = 0; i < count; ++i) {
        if (prints[i] == prints[count] && few[i] == name) {
          twice = name;
          return Reason::json_duplicate;
        }
      }
      few[count] = name;
    } else {
      if (many.empty()) many.assign(few, few + kFew);
      many.push_back(name);
    }
    ++count;
    if (const Reason reason = check(item, depth_left - 1, twice); reason != Reason::none) return reason;
  }
  std::sort(many.begin(), many.end());
  const auto found = std::adjacent_find(many.begin(), many.end());
  if (found == many.end()) return Reason::none;
  twice = *found;
  return Reason::json_duplicate;
}

/// One level more than allowed, so that our own walk says whether the depth or something else was wrong.
constexpr std::size_t kSpareDepth = 2;

tl::expected<element, simdjson::error_code> parse_text(simdjson::dom::parser& parser, std::string_view bytes,
                                                       std::size_t depth) {
  if (parser.capacity() < bytes.size() || parser.max_depth() != depth) {
    const auto error = parser.allocate(std::max<std::size_t>(bytes.size(), 32), depth);
    if (error != simdjson::SUCCESS) return tl::unexpected(error);
  }
  element root;
  const auto error = parser.parse(bytes.data(), bytes.size()).get(root);
  if (error != simdjson::SUCCESS) return tl::unexpected(error);
  return root;
}

tl::expected<element, JsonFault> parse_with(simdjson::dom::parser& parser, std::string_view bytes,
                                            const JsonLimits& limits) {
  if (bytes.size() > limits.bytes) return tl::unexpected(Reason::json_invalid);
  const std::size_t depth = limits.depth + kSpareDepth;
  auto root = parse_text(parser, bytes, depth);
  if (!root && root.error() == simdjson::NUMBER_ERROR) {
    // The parser refuses numbers that it cannot hold, though they are JSON.
    root = parse_text(parser, with_representable_numbers(bytes), depth);
  }
  if (!root) {
    return tl::unexpected(root.error() == simdjson::DEPTH_ERROR ? Reason::json_too_deep : Reason::json_invalid);
  }
  std::string_view twice;
  const Reason reason = check(*root, limits.depth, twice);
  if (reason == Reason::none) return *root;
  return tl::unexpected(JsonFault(reason, reason == Reason::json_duplicate ? in_quotes(twice) : ""));
}

}  // namespace

tl::expected<JsonDoc, JsonFault> JsonDoc::parse(std::string_view bytes, const JsonLimits& limits) {
  JsonDoc doc;
  doc.parser_ = std::make_unique<simdjson::dom::parser>();
  const auto root = parse_with(*doc.parser_, bytes, limits);
  if (!root) return tl::unexpected(root.error());
  doc.root_ = *root;
  return doc;
}

tl::expected<element, JsonFault> JsonReader::parse(std::string_view bytes, const JsonLimits& limits) {
  return parse_with(parser_, bytes, limits);
}

std::string json_fault(const JsonFault& fault) {
  switch (fault.reason) {
    case Reason::json_duplicate:
      return "an object has the same member twice" + (fault.member.empty() ? "" : ": " + fault.member);
    case Reason::json_too_deep:
      return "it is nested too deeply";
    default:
      return "it is not one valid JSON value of allowed size";
  }
}

}  // namespace meshauth
