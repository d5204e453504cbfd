#include "core/model/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/base/text.h"

namespace meshauth::model {

using nlohmann::json;

void Faults::add(std::string field, std::string message) {
  if (errors_.size() < kMostErrors) errors_.push_back({std::move(field), std::move(message)});
}

std::string found(const json& value) {
  switch (value.type()) {
    case json::value_t::string:
      return "found " + in_quotes(value.get_ref<const std::string&>());
    case json::value_t::null:
      return "found nothing (null)";
    case json::value_t::object:
      return "found an object";
    case json::value_t::array:
      return "found a list";
    default:
      return "found " + value.dump();
  }
}

ObjectReader::ObjectReader(const json& value, std::string field, Faults& faults,
                           std::initializer_list<std::string_view> known)
    : field_(std::move(field)), faults_(faults) {
  if (!value.is_object()) {
    faults_.add(field_, fmt::format("{}; write an object with {}", found(value), fmt::join(known, ", ")));
    return;
  }
  value_ = &value;
  for (const auto& [name, unused] : value.items()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    faults_.add(this->field(in_quotes(name)), fmt::format("unknown field; known here: {}", fmt::join(known, ", ")));
  }
}

const json* ObjectReader::member(std::string_view name) const {
  if (value_ == nullptr) return nullptr;
  const auto at = value_->find(name);
  return at == value_->end() || at->is_null() ? nullptr : &*at;
}

const json* ObjectReader::needed(std::string_view name, std::string_view remedy) const {
  const json* value = member(name);
  if (value == nullptr && value_ != nullptr) faults_.add(field(name), fmt::format("missing; {}", remedy));
  return value;
}

void ObjectReader::not_empty(std::string_view remedy) const {
  if (value_ == nullptr) return;
  const bool any = std::any_of(value_->begin(), value_->end(), [](const json& item) { return !item.is_null(); });
  if (!any) faults_.add(field_, fmt::format("found an empty object; {}", remedy));
}

std::string ObjectReader::field(std::string_view name) const {
  if (field_.empty()) return std::string(name);
  // An unknown name arrives quoted: it is shown without its quotes where it needs none.
  if (name.size() > 2 && name.front() == '"') {
    const std::string_view bare = name.substr(1, name.size() - 2);
    const bool plain = std::all_of(bare.begin(), bare.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    });
    if (plain) name = bare;
  }
  return fmt::format("{}.{}", field_, name);
}

std::string read_text(const json& value, const std::string& field, Faults& faults, const Form& form) {
  if (!value.is_string()) {
    faults.add(field, fmt::format("{}; {}", found(value), form.remedy.empty() ? "write a text" : form.remedy));
    return {};
  }
  const auto& text = value.get_ref<const std::string&>();
  if (const std::size_t length = code_points(text); length < form.least || length > form.most) {
    faults.add(field,
               fmt::format("has {} characters, allowed are {} to {}; {}", length, form.least, form.most, form.remedy));
    return {};
  }
  if (form.valid != nullptr && !form.valid(text)) {
    // What may be a secret is not shown.
    const bool secret = &form == &kInlineJwks || &form == &kCaBundle;
    faults.add(field, secret ? std::string(form.remedy) : fmt::format("{}; {}", found(value), form.remedy));
    return {};
  }
  return text;
}

int read_word(const json& value, const std::string& field, Faults& faults,
              std::initializer_list<std::string_view> words) {
  if (value.is_string()) {
    const auto at = std::find(words.begin(), words.end(), value.get_ref<const std::string&>());
    if (at != words.end()) return static_cast<int>(at - words.begin());
  }
  faults.add(field, fmt::format("{}; write one of {}", found(value), fmt::join(words, ", ")));
  return -1;
}

void read_list(const json& value, const std::string& field, Faults& faults, std::size_t least, std::size_t most,
               const std::function<void(const json& item, const std::string& field)>& each) {
  if (!value.is_array()) {
    faults.add(field, fmt::format("{}; write a list", found(value)));
    return;
  }
  if (value.size() < least || value.size() > most) {
    faults.add(field, fmt::format("has {} entries, allowed are {} to {}", value.size(), least, most));
    return;
  }
  for (std::size_t i = 0; i < value.size(); ++i) each(value[i], fmt::format("{}[{}]", field, i));
}

std::vector<std::string> read_texts(const json* value, const std::string& field, Faults& faults, const Form& form,
                                    std::size_t most) {
  std::vector<std::string> out;
  if (value == nullptr) return out;
  read_list(*value, field, faults, 1, most,
            [&](const json& item, const std::string& at) { out.push_back(read_text(item, at, faults, form)); });
  return out;
}

std::vector<std::string> read_set(const json* value, const std::string& field, Faults& faults, const Form& form,
                                  std::size_t most) {
  auto out = read_texts(value, field, faults, form, most);
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i].empty() || std::find(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(i), out[i]) ==
                              out.begin() + static_cast<std::ptrdiff_t>(i)) {
      continue;
    }
    faults.add(fmt::format("{}[{}]", field, i), fmt::format("{} stands twice; write it once", in_quotes(out[i])));
  }
  return out;
}

}  // namespace meshauth::model
