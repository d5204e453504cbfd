#include <iostream>

#include "cli/command.h"
#include "cli/commands.h"

int main(int argc, char** argv) {
  using namespace meshauth::cli;
  std::ios::sync_with_stdio(false);
  Streams io{std::cin, std::cout, std::cerr};
  Program program;
  add_dev_idp(program);
  add_token(program);
  return program.run(argc, argv, io);
}
