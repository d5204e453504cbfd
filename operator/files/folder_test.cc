#include "operator/files/folder.h"

#include <doctest/doctest.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "operator/files/file.h"

namespace meshauth::files {
namespace {

namespace fs = std::filesystem;

/// A folder of its own, gone with it.
struct Place {
  std::string path;
  Place() {
    std::string name = fs::temp_directory_path() / "mesh-auth-folder-XXXXXX";
    path = mkdtemp(name.data());
  }
  ~Place() { fs::remove_all(path); }
  void save(const std::string& file, const std::string& text) const {
    REQUIRE(write_file(path + "/" + file, text).has_value());
  }
};

std::string policy(const std::string& name, const std::string& mode = "Enforce") {
  return "apiVersion: meshauth.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: " + name +
         ", namespace: shop}\nspec: {mode: " + mode + ", rules: []}\n";
}

/// Collects what the folder tells; each await waits for a moment at which something holds.
struct Listener {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, nlohmann::json> objects;
  std::vector<std::string> refused;

  Folder::Handlers handlers() {
    const auto told = [this](auto apply) {
      const std::lock_guard lock(mutex);
      apply();
      changed.notify_all();
    };
    return {[=, this](const nlohmann::json& object) { told([&] { objects[object["metadata"]["name"]] = object; }); },
            [=, this](const std::string&, const std::string& id) {
              told([&] { objects.erase(id.substr(id.find('/') + 1)); });
            },
            [=, this](const std::string& file, const std::string& message) {
              told([&] { refused.push_back(file + ": " + message); });
            }};
  }
  template <class Test>
  bool await(Test test) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), test);
  }
};

TEST_CASE("a missing folder is an error that names the flag") {
  Listener listener;
  Folder folder("/nowhere/at/all", listener.handlers());
  CHECK(folder.open().error().message.find("--source") != std::string::npos);
}

TEST_CASE("what is there at the start, what is saved, and what goes") {
  const Place place;
  place.save("a.yaml", policy("a"));
  place.save(".hidden.yaml", policy("hidden"));
  Listener listener;
  Folder folder(place.path, listener.handlers());
  REQUIRE(folder.open().has_value());
  CHECK(listener.objects.size() == 1);
  CHECK(listener.objects["a"]["metadata"]["generation"] == 1);

  std::jthread watcher([&](const std::stop_token& stop) { folder.watch(stop); });
  place.save("b.yaml", policy("b"));
  CHECK(listener.await([&] { return listener.objects.contains("b"); }));
  place.save("a.yaml", policy("a", "Audit"));
  CHECK(listener.await([&] { return listener.objects["a"]["metadata"]["generation"] == 2; }));
  fs::remove(place.path + "/b.yaml");
  CHECK(listener.await([&] { return !listener.objects.contains("b"); }));
}

TEST_CASE("a file that is no manifest keeps what it said before, and is named") {
  const Place place;
  place.save("a.yaml", policy("a"));
  Listener listener;
  Folder folder(place.path, listener.handlers());
  REQUIRE(folder.open().has_value());
  std::jthread watcher([&](const std::stop_token& stop) { folder.watch(stop); });
  place.save("a.yaml", "kind: [unclosed");
  CHECK(listener.await([&] { return !listener.refused.empty(); }));
  CHECK(listener.objects.contains("a"));
  CHECK(listener.refused[0].find("a.yaml") != std::string::npos);
}

TEST_CASE("one object in two files counts once") {
  const Place place;
  place.save("a.yaml", policy("same"));
  place.save("b.yaml", policy("same", "Audit"));
  Listener listener;
  Folder folder(place.path, listener.handlers());
  REQUIRE(folder.open().has_value());
  CHECK(listener.objects["same"]["spec"]["mode"] == "Enforce");
  REQUIRE(listener.refused.size() == 1);
  CHECK(listener.refused[0].find("stands in a.yaml already") != std::string::npos);
}

TEST_CASE("a volume changes in one step, and drops what is not in it") {
  const Place place;
  const std::string volume = place.path + "/volume";
  REQUIRE(write_volume(volume, {{"one", "1"}, {"two", "2"}}).has_value());
  CHECK(*read_file(volume + "/one", 10) == "1");
  REQUIRE(write_volume(volume, {{"one", "changed"}}).has_value());
  CHECK(*read_file(volume + "/one", 10) == "changed");
  CHECK_FALSE(fs::exists(volume + "/two"));
  CHECK(fs::is_symlink(volume + "/..data"));
  CHECK_FALSE(read_file(volume + "/one", 3).has_value());
}

}  // namespace
}  // namespace meshauth::files
