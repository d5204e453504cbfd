#include "core/model/flavour.h"

#include <doctest/doctest.h>

namespace meshauth::model {
namespace {

TEST_CASE("a label is a flavour, exactly") {
  CHECK(parse_flavour("") == Flavour::Module);
  CHECK(parse_flavour("AuthRequest") == Flavour::AuthRequest);
  CHECK_FALSE(parse_flavour("authrequest").has_value());
  CHECK_FALSE(parse_flavour("AuthRequest ").has_value());
}

}  // namespace
}  // namespace meshauth::model
