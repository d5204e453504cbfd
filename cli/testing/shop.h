// A folder with manifests, asked about with decide and explain. Never part of a program.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/testing/manifests.h"
#include "cli/testing/run.h"
#include "core/jose/testing/world.h"

namespace meshauth::cli::testing {

using Args = std::vector<std::string>;

/// Questions about workload shop/orders at the time of core/jose/testing's tokens.
class Shop {
 public:
  explicit Shop(const std::string& manifests = kShop) : resources_(folder_.file("shop.yaml", manifests)) {}

  std::vector<std::string> question(std::vector<std::string> more) const {
    std::vector<std::string> out{"-f", resources_, "--workload", "shop/orders", "--now", "1000"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  Outcome decide(std::vector<std::string> more, const std::string& input = "") const {
    return call(add_decide, "decide", std::move(more), input);
  }
  Outcome explain(std::vector<std::string> more) const { return call(add_explain, "explain", std::move(more), ""); }
  std::string claims(const std::string& json) const { return folder_.file("claims.json", json); }
  std::string token(const jose::testing::Draft& draft) const { return folder_.file("token", draft.token() + "\n"); }
  std::string jwks() const {
    return folder_.file("jwks.json", jose::testing::key_set({jose::testing::key("es256").jwk({{"kid", "es256"}})}));
  }
  const TempFolder& folder() const { return folder_; }
  const std::string& resources() const { return resources_; }

 private:
  Outcome call(void (*add)(Program&), const char* name, std::vector<std::string> more, const std::string& input) const {
    auto arguments = question(std::move(more));
    arguments.insert(arguments.begin(), name);
    return run(add, arguments, input);
  }

  TempFolder folder_;
  std::string resources_;
};

inline std::string line(const char* decision, int status, const char* reason, const char* policy = "",
                        const char* rule = "") {
  return fmt::format(R"({{"decision":"{}","status":{},"reason":"{}","policy":"{}","rule":"{}"}})", decision, status,
                     reason, policy, rule) +
         "\n";
}

inline Args with(Args some, const Args& more) {
  some.insert(some.end(), more.begin(), more.end());
  return some;
}

}  // namespace meshauth::cli::testing
