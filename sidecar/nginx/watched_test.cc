#include "sidecar/nginx/watched.h"

#include <doctest/doctest.h>

using meshauth::nginx::Watched;

TEST_CASE("what was accepted is looked at again only when it changes") {
  Watched<int> watched;
  CHECK(watched.due(1, 0));
  watched.accepted(1);
  CHECK_FALSE(watched.due(1, 1e9));
  CHECK(watched.due(2, 0));
}

TEST_CASE("what was refused is tried again, less and less often, and told once") {
  Watched<int> watched;
  CHECK(watched.refused(1, "no", 100));
  CHECK_FALSE(watched.due(1, 100.9));
  CHECK(watched.due(1, 101));
  CHECK(watched.due(2, 100));
  CHECK_FALSE(watched.refused(1, "no", 101));
  CHECK_FALSE(watched.due(1, 102.9));
  CHECK(watched.due(1, 103));
  double now = 103, wait = 0;
  for (int i = 0; i < 10; ++i) {
    CHECK_FALSE(watched.refused(1, "no", now));
    wait = 0;
    while (!watched.due(1, now + wait)) wait += 1;
    now += wait;
  }
  CHECK(wait == Watched<int>::kLongestRetry);
}

TEST_CASE("another fault, or another thing, is news") {
  Watched<int> watched;
  CHECK(watched.refused(1, "no", 0));
  CHECK(watched.refused(1, "never", 1));
  CHECK(watched.refused(2, "never", 2));
  watched.accepted(2);
  CHECK_FALSE(watched.due(2, 1e9));
  CHECK(watched.refused(2, "never", 3));
}
