// Every subcommand, one line each; main.cc calls them.
#pragma once

namespace meshauth::cli {

class Program;

void add_check(Program& program);
void add_decide(Program& program);
void add_dev_app(Program& program);
void add_dev_idp(Program& program);
void add_explain(Program& program);
void add_inject(Program& program);
void add_lint(Program& program);
void add_prove(Program& program);
void add_render(Program& program);
void add_status(Program& program);
void add_test(Program& program);
void add_token(Program& program);

}  // namespace meshauth::cli
