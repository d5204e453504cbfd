#include "core/base/mixing.h"

#include <doctest/doctest.h>

#include <string>

namespace meshauth {

TEST_CASE("texts of one size are equal where every byte is") {
  for (std::size_t size = 0; size <= 40; ++size) {
    CAPTURE(size);
    const std::string text(size, 'x');
    std::string other = text;
    CHECK(equal_bytes(text, other));
    for (char& c : other) {
      c = 'y';
      CHECK_FALSE(equal_bytes(text, other));
      c = 'x';
    }
  }
}

}  // namespace meshauth
