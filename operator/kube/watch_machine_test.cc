#include "operator/kube/watch_machine.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace meshauth::kube {
namespace {

using State = WatchMachine::State;
using nlohmann::json;

json list_of(const std::string& version, const std::string& more, std::initializer_list<const char*> names) {
  json items = json::array();
  for (const char* name : names) {
    items.push_back(
        {{"metadata",
          {{"namespace", "n"}, {"name", name}, {"resourceVersion", "1"}, {"managedFields", json::array()}}}});
  }
  json list = {{"metadata", {{"resourceVersion", version}}}, {"items", items}};
  if (!more.empty()) list["metadata"]["continue"] = more;
  return list;
}

std::string event(const std::string& type, const std::string& name, const std::string& version) {
  return json{{"type", type},
              {"object", {{"metadata", {{"namespace", "n"}, {"name", name}, {"resourceVersion", version}}}}}}
      .dump();
}

std::string token(const WatchMachine& machine) {
  const auto command = machine.next();
  const auto* page = std::get_if<WatchMachine::GetPage>(&command);
  return page != nullptr ? "page " + page->continue_token
                         : "watch " + std::get<WatchMachine::OpenWatch>(command).resource_version;
}

WatchMachine watching() {
  WatchMachine machine;
  REQUIRE(machine.on_page(list_of("10", "", {"a"})).has_value());
  return machine;
}

TEST_CASE("pages are gathered, and handed over whole with the last one") {
  WatchMachine machine;
  CHECK(token(machine) == "page ");
  auto effect = machine.on_page(list_of("10", "c1", {"a", "b"}));
  REQUIRE(effect.has_value());
  CHECK(std::holds_alternative<WatchMachine::Nothing>(*effect));
  CHECK(machine.state() == State::Listing);
  CHECK(token(machine) == "page c1");
  effect = machine.on_page(list_of("10", "", {"c"}));
  REQUIRE(effect.has_value());
  const auto& replace = std::get<WatchMachine::Replace>(*effect);
  CHECK(replace.objects.size() == 3);
  CHECK(replace.resource_version == "10");
  CHECK(!(*replace.objects[0])["metadata"].contains("managedFields"));
  CHECK(machine.state() == State::Watching);
  CHECK(token(machine) == "watch 10");
}

TEST_CASE("an expired continue token starts the list anew and forgets the pages it had") {
  WatchMachine machine;
  REQUIRE(machine.on_page(list_of("10", "c1", {"a", "b"})).has_value());
  machine.on_expired();
  CHECK(token(machine) == "page ");
  const auto effect = machine.on_page(list_of("12", "", {"z"}));
  CHECK(std::get<WatchMachine::Replace>(effect.value()).objects.size() == 1);
}

TEST_CASE("events move the version from which the watch is taken up") {
  WatchMachine machine = watching();
  CHECK(std::holds_alternative<WatchMachine::Apply>(machine.on_event(event("ADDED", "b", "11")).value()));
  CHECK(token(machine) == "watch 11");
  CHECK(std::holds_alternative<WatchMachine::Apply>(machine.on_event(event("MODIFIED", "b", "12")).value()));
  CHECK(std::holds_alternative<WatchMachine::Remove>(machine.on_event(event("DELETED", "b", "13")).value()));
  const auto bookmark = machine.on_event(event("BOOKMARK", "", "20")).value();
  CHECK(std::get<WatchMachine::Advance>(bookmark).resource_version == "20");
  CHECK(token(machine) == "watch 20");
}

TEST_CASE("error 410 leads to one list, from a consistent read") {
  WatchMachine machine = watching();
  const std::string gone =
      R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}})";
  const auto effect = machine.on_event(gone).value();
  CHECK(std::get<WatchMachine::Expired>(effect).message.find("too old") != std::string::npos);
  CHECK(machine.state() == State::Empty);
  CHECK(token(machine) == "page ");
}

TEST_CASE("what is no event ends the stream and moves nothing") {
  const std::vector<std::string> lines = {
      "rubbish",
      "[]",
      "{}",
      R"({"type":"ADDED"})",
      R"({"type":1,"object":{}})",
      R"({"type":"ADDED","object":{"metadata":{"name":"a"}}})",
      event("NEW", "a", "11"),
      R"({"type":"ERROR","object":{"kind":"Status","code":500,"reason":"InternalError","message":"etcd is away"}})",
      std::string(1000, '[')};
  for (const std::string& line : lines) {
    CAPTURE(line);
    WatchMachine machine = watching();
    CHECK(!machine.on_event(line).has_value());
    CHECK(token(machine) == "watch 10");
  }
}

TEST_CASE("what is no list is refused and asked for again") {
  for (const json& list : {json::object(), json{{"metadata", {{"resourceVersion", "1"}}}, {"items", 5}}}) {
    WatchMachine machine;
    CHECK(!machine.on_page(list).has_value());
    CHECK(token(machine) == "page ");
  }
  WatchMachine machine;
  CHECK(machine.on_page({{"metadata", {{"resourceVersion", "1"}}}, {"items", nullptr}}).has_value());
}

}  // namespace
}  // namespace meshauth::kube
