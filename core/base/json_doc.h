// Strict JSON from outside: tokens, key sets, bundle files.
#pragma once

#include <simdjson.h>

#include <memory>
#include <string>
#include <string_view>

#include "core/base/reason.h"
#include "core/base/result.h"

namespace meshauth {

struct JsonLimits {
  std::size_t bytes = 16 * 1024;
  std::size_t depth = 32;  ///< nested objects and arrays, the outermost counted
};

/// Why a text is refused.
struct JsonFault {
  Reason reason = Reason::json_invalid;  ///< json_invalid, json_duplicate or json_too_deep
  std::string member;                    ///< json_duplicate: the name that stands twice, in quotes and cut; else empty

  JsonFault(Reason why, std::string name = {}) : reason(why), member(std::move(name)) {}
  friend bool operator==(const JsonFault& fault, Reason reason) { return fault.reason == reason; }
};

/// One JSON value (RFC 8259) that was wholly valid: UTF-8, nothing after it, no member name twice in an object (names
/// compared after their escapes), within the limits. A number too large to be held is read as the nearest double.
/// Elements point into the document: they live as long as it does.
class JsonDoc {
 public:
  /// Too many bytes are json_invalid.
  static tl::expected<JsonDoc, JsonFault> parse(std::string_view bytes, const JsonLimits& limits = {});

  simdjson::dom::element root() const { return root_; }

 private:
  JsonDoc() = default;

  std::unique_ptr<simdjson::dom::parser> parser_;
  simdjson::dom::element root_;
};

/// Reads many documents one after the other and keeps its memory: for what is looked at and thrown away, such as the
/// header of a token. Refuses what JsonDoc refuses. The element lives until the next parse.
class JsonReader {
 public:
  tl::expected<simdjson::dom::element, JsonFault> parse(std::string_view bytes, const JsonLimits& limits = {});

 private:
  simdjson::dom::parser parser_;
};

/// One sentence about what parse refused, for a message.
std::string json_fault(const JsonFault& fault);

}  // namespace meshauth
