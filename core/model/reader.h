// Reading an API object field by field: every fault is kept with its field, and reading goes on.
#pragma once

#include <functional>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/forms.h"
#include "core/model/meta.h"

namespace meshauth::model {

/// Keeps at most kMostErrors faults: an object with more is not read by a person to its end.
class Faults {
 public:
  static constexpr std::size_t kMostErrors = 100;
  void add(std::string field, std::string message);
  bool none() const { return errors_.empty(); }
  FieldErrors take() { return std::move(errors_); }

 private:
  FieldErrors errors_;
};

/// "found "x"", for a fault's message: scalars as they are, else the kind.
std::string found(const nlohmann::json& value);

/// One object and where it is. A member that is null counts as absent, as the API server prunes it.
class ObjectReader {
 public:
  /// Tells what is not an object and members that are not `known`. The JSON and the faults must outlive the reader.
  ObjectReader(const nlohmann::json& value, std::string field, Faults& faults,
               std::initializer_list<std::string_view> known);

  /// The member; nullptr if absent.
  const nlohmann::json* member(std::string_view name) const;
  /// As member; tells a fault with the remedy where it is absent.
  const nlohmann::json* needed(std::string_view name, std::string_view remedy) const;
  bool has(std::string_view name) const { return member(name) != nullptr; }
  bool is_object() const { return value_ != nullptr; }
  /// Tells a fault where there is no member at all: minProperties 1.
  void not_empty(std::string_view remedy) const;

  std::string field(std::string_view name) const;
  const std::string& field() const { return field_; }
  Faults& faults() const { return faults_; }

 private:
  const nlohmann::json* value_ = nullptr;
  std::string field_;
  Faults& faults_;
};

/// A string of that form; "" after a fault.
std::string read_text(const nlohmann::json& value, const std::string& field, Faults& faults, const Form& form);

/// One of the words; their index, or -1 after a fault.
int read_word(const nlohmann::json& value, const std::string& field, Faults& faults,
              std::initializer_list<std::string_view> words);

/// Calls `each` for every element of a list of `least` to `most`; nothing after a fault in its kind or size.
void read_list(const nlohmann::json& value, const std::string& field, Faults& faults, std::size_t least,
               std::size_t most, const std::function<void(const nlohmann::json& item, const std::string& field)>& each);

constexpr std::size_t kMostValues = 64;

/// A list of 1 to `most` strings of that form; absent (nullptr) is empty.
std::vector<std::string> read_texts(const nlohmann::json* value, const std::string& field, Faults& faults,
                                    const Form& form, std::size_t most = kMostValues);

/// As read_texts, and no value twice.
std::vector<std::string> read_set(const nlohmann::json* value, const std::string& field, Faults& faults,
                                  const Form& form, std::size_t most = kMostValues);

}  // namespace meshauth::model
