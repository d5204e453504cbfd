// Prints a rule set as policy.json: bench_rules RULES VERSION.
#include <cstdio>
#include <cstdlib>

#include "bench/rule_sets.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    static_cast<void>(std::fputs("usage: bench_rules RULES VERSION\n", stderr));
    return 2;
  }
  const auto rules = meshauth::bench::rule_set(std::strtoul(argv[1], nullptr, 10), std::atoi(argv[2]));
  static_cast<void>(std::puts(meshauth::policy::to_json(rules).c_str()));
}
