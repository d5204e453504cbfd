#include <iostream>

#include "cli/command.h"
#include "cli/commands.h"

int main(int argc, char** argv) {
  using namespace meshauth::cli;
  std::ios::sync_with_stdio(false);
  Streams io{std::cin, std::cout, std::cerr};
  Program program;
  add_check(program);
  add_decide(program);
  add_dev_app(program);
  add_dev_idp(program);
  add_explain(program);
  add_inject(program);
  add_lint(program);
  add_prove(program);
  add_render(program);
  add_status(program);
  add_test(program);
  add_token(program);
  return program.run(argc, argv, io);
}
