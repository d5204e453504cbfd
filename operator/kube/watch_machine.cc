#include "operator/kube/watch_machine.h"

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "operator/kube/api_error.h"

namespace meshauth::kube {
namespace {

// Who wrote which field: often half of an object, and nothing of ours to know.
Object keep(nlohmann::json object) {
  if (const auto meta = object.find("metadata"); meta != object.end() && meta->is_object())
    meta->erase("managedFields");
  return std::make_shared<const nlohmann::json>(std::move(object));
}

}  // namespace

std::string_view state_name(WatchMachine::State state) noexcept {
  switch (state) {
    case WatchMachine::State::Empty:
      return "empty";
    case WatchMachine::State::Listing:
      return "listing";
    case WatchMachine::State::Watching:
      return "watching";
  }
  return "";
}

WatchMachine::Command WatchMachine::next() const {
  switch (state_) {
    case State::Listing:
      return GetPage{continue_};
    case State::Watching:
      return OpenWatch{version_};
    case State::Empty:
      break;
  }
  return GetPage{};
}

Result<WatchMachine::Effect> WatchMachine::on_page(const nlohmann::json& list) {
  const auto items = list.find("items");
  const std::string version = metadata(list, "resourceVersion");
  if (version.empty()) return fail("the list has no metadata.resourceVersion");
  // The API writes null for an empty list of some kinds.
  if (items != list.end() && !items->is_array() && !items->is_null()) return fail("the list's items are no array");
  if (items != list.end()) {
    for (const auto& item : *items) {
      if (item.is_object()) pages_.push_back(keep(item));
    }
  }
  continue_ = metadata(list, "continue");
  if (!continue_.empty()) {
    state_ = State::Listing;
    return Nothing{};
  }
  state_ = State::Watching;
  version_ = version;
  return Replace{std::exchange(pages_, {}), version_};
}

Result<WatchMachine::Effect> WatchMachine::on_event(std::string_view line) {
  auto event = parse_json(line);
  if (!event) return tl::unexpected(event.error());
  if (!event->is_object() || !event->contains("type") || !(*event)["type"].is_string() || !event->contains("object") ||
      !(*event)["object"].is_object()) {
    return fail("a watch event needs a type and an object");
  }
  const std::string type = (*event)["type"].get<std::string>();
  nlohmann::json& object = (*event)["object"];
  if (type == "ERROR") {
    const ApiError error = parse_status_object("watch", 0, dump_json(object));
    if (!error.expired()) return tl::unexpected(error.error());
    on_expired();
    return Expired{error.message};
  }
  const std::string version = metadata(object, "resourceVersion");
  if (version.empty()) return fail("the object of a watch event of type {} has no resourceVersion", in_quotes(type));
  if (type != "BOOKMARK" && type != "ADDED" && type != "MODIFIED" && type != "DELETED") {
    return fail("a watch event has the unknown type {}", in_quotes(type));
  }
  version_ = version;
  if (type == "BOOKMARK") return Advance{version};
  Object kept = keep(std::move(object));
  if (type == "DELETED") return Remove{std::move(kept), version};
  return Apply{std::move(kept), version};
}

void WatchMachine::on_expired() {
  state_ = State::Empty;
  continue_.clear();
  pages_.clear();
}

}  // namespace meshauth::kube
