#include "sidecar/agent/stock_workers.h"

#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sidecar/agent/testing/temporary.h"

namespace meshauth::agent {
namespace {

void process(const std::string& proc, int pid, const std::string& title, int ticks) {
  const auto folder = proc + '/' + std::to_string(pid);
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/cmdline") << title << '\0';
  std::ofstream(folder + "/stat") << pid << " (ng) inx) S 1";
  std::ofstream stat(folder + "/stat", std::ios::app);
  for (int field = 5; field < 22; ++field) stat << " 7";
  stat << ' ' << ticks << " 99";
}

TEST_CASE("workers are children of the master by nginx's own titles, draining ones among them") {
  const testing::TemporaryFolder proc;
  std::filesystem::create_directories(proc.path() + "/10/task/10");
  std::ofstream(proc.path() + "/10/task/10/children") << "11 12 13 14 15 ";
  process(proc.path(), 11, "nginx: worker process", 250);
  process(proc.path(), 12, "nginx: worker process is shutting down", 100);
  process(proc.path(), 13, "nginx: cache manager process", 100);
  process(proc.path(), 14, "/usr/sbin/nginx", 300);  // just forked
  const auto workers = stock_workers(10, proc.path());
  REQUIRE(workers.size() == 2);
  CHECK(workers[0].pid == 11);
  CHECK_FALSE(workers[0].draining);
  CHECK(workers[0].started == std::chrono::milliseconds(2500));
  CHECK(workers[1].pid == 12);
  CHECK(workers[1].draining);
  CHECK(stock_workers(99, proc.path()).empty());
  CHECK(stock_workers(-1).empty());
}

TEST_CASE("the clock is that of processes") {
  const auto before = since_boot();
  CHECK(before.count() > 0);
  CHECK(since_boot() >= before);
}

}  // namespace
}  // namespace meshauth::agent
