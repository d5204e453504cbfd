#include "operator/kube/store.h"

#include <doctest/doctest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

namespace meshauth::kube {
namespace {

Object pod(const std::string& ns, const std::string& name, const std::string& version, const std::string& app = "a") {
  return std::make_shared<const nlohmann::json>(nlohmann::json{
      {"metadata", {{"namespace", ns}, {"name", name}, {"resourceVersion", version}, {"labels", {{"app", app}}}}}});
}

struct Watched {
  Store store;
  std::vector<std::string> events;

  Watched() {
    store.add_index("app", [](const nlohmann::json& object) { return std::vector{label(object, "app")}; });
    store.on_change([this](Store::Change change, const std::string& key, const Object& was, const Object& now) {
      static constexpr const char* kNames[] = {"added ", "updated ", "deleted "};
      CHECK((was == nullptr) == (change == Store::Change::Added));
      CHECK((now == nullptr) == (change == Store::Change::Deleted));
      // The change is already there for whoever reads now.
      CHECK(store.get(key) == now);
      events.push_back(kNames[static_cast<int>(change)] + key);
    });
  }
  std::vector<std::string> take() { return std::exchange(events, {}); }
  std::vector<std::string> found(const std::string& app) const {
    std::vector<std::string> keys;
    for (const Object& object : store.by_index("app", app)) keys.push_back(object_key(*object));
    return keys;
  }
};

using Strings = std::vector<std::string>;

TEST_CASE("a list replaces everything at once and tells only the differences") {
  Watched w;
  CHECK(!w.store.has_synced());
  REQUIRE(w.store.replace({pod("n", "b", "2"), pod("n", "a", "1")}, "5"));
  CHECK(w.store.has_synced());
  CHECK(w.store.resource_version() == "5");
  CHECK(w.take() == Strings{"added n/b", "added n/a"});
  CHECK(w.store.keys() == Strings{"n/a", "n/b"});
  REQUIRE(w.store.replace({pod("n", "b", "7"), pod("n", "c", "8")}, "9"));
  CHECK(w.take() == Strings{"deleted n/a", "updated n/b", "added n/c"});
  REQUIRE(w.store.replace({pod("n", "b", "7"), pod("n", "c", "8")}, "9"));
  CHECK(w.take().empty());
}

TEST_CASE("an older list is refused and changes nothing; versions compare as numbers") {
  Watched w;
  REQUIRE(w.store.replace({pod("n", "a", "9")}, "10"));
  w.take();
  CHECK(!w.store.replace({}, "9"));
  CHECK(w.store.size() == 1);
  CHECK(w.take().empty());
  CHECK(w.store.replace({}, "10"));
  CHECK(w.store.replace({}, "100"));
  CHECK(w.store.replace({}, "opaque"));
}

TEST_CASE("events add, update and delete; an object older than ours is left out") {
  Watched w;
  REQUIRE(w.store.replace({}, "1"));
  w.store.apply(pod("n", "a", "2"), "2");
  w.store.apply(pod("n", "a", "4"), "4");
  w.store.apply(pod("n", "a", "3"), "3");
  CHECK(w.take() == Strings{"added n/a", "updated n/a"});
  CHECK(metadata(*w.store.get("n/a"), "resourceVersion") == "4");
  CHECK(w.store.resource_version() == "4");
  w.store.remove(*pod("n", "a", "6"), "6");
  w.store.remove(*pod("n", "a", "6"), "6");
  CHECK(w.take() == Strings{"deleted n/a"});
  CHECK(w.store.get("n/a") == nullptr);
  w.store.bookmark("8");
  CHECK(w.store.resource_version() == "8");
  CHECK(w.take().empty());
}

TEST_CASE("an index follows its objects") {
  Watched w;
  REQUIRE(w.store.replace({pod("n", "b", "1", "x"), pod("n", "a", "1", "x"), pod("n", "c", "1", "y")}, "1"));
  CHECK(w.found("x") == Strings{"n/a", "n/b"});
  w.store.apply(pod("n", "a", "2", "y"), "2");
  CHECK(w.found("x") == Strings{"n/b"});
  CHECK(w.found("y") == Strings{"n/a", "n/c"});
  w.store.remove(*pod("n", "b", "3"), "3");
  CHECK(!w.store.has_index("app", "x"));
  CHECK(w.store.index_values("app") == Strings{"y"});
  CHECK(w.store.by_index("none", "y").empty());
}

TEST_CASE("readers see whole states while the writer goes on") {
  Store store;
  std::atomic<bool> done{false};
  std::vector<std::jthread> readers;
  std::atomic<int> torn{0};
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        const auto all = store.list();
        // Every list has its version in each object.
        for (const Object& object : all) {
          if (metadata(*object, "resourceVersion") != metadata(*all.front(), "resourceVersion")) ++torn;
        }
      }
    });
  }
  for (int version = 1; version <= 300; ++version) {
    std::vector<Object> objects;
    for (int i = 0; i < 20; ++i) objects.push_back(pod("n", std::to_string(i), std::to_string(version)));
    REQUIRE(store.replace(std::move(objects), std::to_string(version)));
  }
  done = true;
  readers.clear();
  CHECK(torn == 0);
  CHECK(store.wait_synced(std::chrono::steady_clock::now(), {}));
}

}  // namespace
}  // namespace meshauth::kube
