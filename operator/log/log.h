// What the programs say to the people who run them: one line each, JSON or text, on standard error.
//
//   log::info("bundle published", {{"object", workload}, {"revision", revision}, {"ms", 3.2}});
//
// Safe from every thread. Never pass a token, a key or a secret.
#pragma once

#include <concepts>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace meshauth::log {

/// Auto: text on a terminal, else JSON.
enum class Format { Auto, Json, Text };
enum class Level { Debug, Info, Warning, Error };

Result<Format> parse_format(std::string_view text);  ///< auto, json, text
Result<Level> parse_level(std::string_view text);    ///< debug, info, warning, error

/// Before the first thread starts; without it the programs log as Auto and Info. May be called again.
void init(Format format, Level level = Level::Info);

/// Where lines go instead of standard error, without the line feed; nullptr puts standard error back. For tests.
void set_sink(std::function<void(std::string_view line)> sink);

/// One named value: text, a number or a truth value.
class Field {
 public:
  Field(std::string_view key, std::string_view text) : key_(key), value_(text) {}
  Field(std::string_view key, const char* text) : Field(key, std::string_view(text)) {}
  Field(std::string_view key, const std::string& text) : Field(key, std::string_view(text)) {}
  Field(std::string_view key, const Error& error) : Field(key, error.message) {}
  template <std::integral T>
  Field(std::string_view key, T number) : key_(key), literal_(true) {
    if constexpr (std::same_as<T, bool>) {
      value_ = number ? "true" : "false";
    } else {
      value_ = std::to_string(number);
    }
  }
  Field(std::string_view key, double number);

  const std::string& key() const { return key_; }
  const std::string& value() const { return value_; }
  bool literal() const { return literal_; }  ///< stands in JSON without quotes

 private:
  std::string key_;
  std::string value_;
  bool literal_ = false;
};

using Fields = std::initializer_list<Field>;

void debug(std::string_view message, Fields fields = {});
void info(std::string_view message, Fields fields = {});
void warning(std::string_view message, Fields fields = {});
void error(std::string_view message, Fields fields = {});

}  // namespace meshauth::log
