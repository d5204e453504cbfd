#include "core/base/algorithm.h"

#include <doctest/doctest.h>

using namespace meshauth;

TEST_CASE("each algorithm has one name, in its exact case") {
  const auto names = AlgorithmSet::all().names();
  CHECK(names == std::vector<std::string>{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
                                          "ES512", "EdDSA"});
  for (const auto& name : names) {
    REQUIRE(algorithm_from_name(name));
    CHECK(algorithm_name(*algorithm_from_name(name)) == name);
    REQUIRE(alg_from_name(name));
    CHECK(alg_from_name(name)->algorithm == algorithm_from_name(name));
    CHECK(alg_from_name(name)->curve == "");
  }
}

TEST_CASE("a name of one curve is for tokens and keys: in a set it would allow the other curve too") {
  for (const std::string_view name : {"Ed25519", "Ed448"}) {
    CAPTURE(name);
    CHECK_FALSE(algorithm_from_name(name));
    REQUIRE(alg_from_name(name));
    CHECK(alg_from_name(name)->algorithm == Algorithm::EdDSA);
    CHECK(alg_from_name(name)->curve == name);
  }
}

TEST_CASE("symmetric algorithms, none and other spellings do not exist") {
  for (const std::string_view name :
       {"none", "None",   "NONE",  "nOnE",  "",         "HS256", "HS384",  "HS512",   "rs256",  "RS256 ",   " RS256",
        "RS1",  "ES256K", "eddsa", "EDDSA", "RSA-OAEP", "dir",   "A128KW", "ed25519", "Ed2551", "Ed25519 ", "ed448"}) {
    CAPTURE(name);
    CHECK_FALSE(algorithm_from_name(name));
    CHECK_FALSE(alg_from_name(name));
  }
}

TEST_CASE("a set holds what was put in") {
  AlgorithmSet set{Algorithm::RS256};
  CHECK(set.contains(Algorithm::RS256));
  CHECK_FALSE(set.contains(Algorithm::RS384));
  CHECK_FALSE(set.intersects({Algorithm::EdDSA}));
  set.add(Algorithm::EdDSA);
  CHECK(set.intersects({Algorithm::EdDSA}));
  CHECK(set == AlgorithmSet{Algorithm::EdDSA, Algorithm::RS256});
  CHECK(AlgorithmSet().empty());
  CHECK_FALSE(set.empty());
  for (int i = 0; i < 10; ++i) CHECK(AlgorithmSet::all().contains(static_cast<Algorithm>(i)));
}
