// meshauthctl decide: what would nginx answer?
#include <memory>
#include <ostream>

#include "cli/commands.h"
#include "cli/question.h"

namespace meshauth::cli {
namespace {

int run_decide(const QuestionOptions& options, Streams& io) {
  const auto answer = ask(options, io);
  if (!answer) return kFailed;
  if (!answer->detail.empty()) io.err << answer->detail << '\n';
  io.out << answer->json().dump() << std::endl;
  return answer->allow ? kOk : kDenied;
}

}  // namespace

void add_decide(Program& program) {
  auto options = std::make_shared<QuestionOptions>();
  Command app =
      program.command("decide", "what nginx would answer, offline: exit 0 allowed, 3 denied, 1 bad resources");
  add_question_options(app, *options);
  app.on([options](Streams& io) { return run_decide(*options, io); });
}

}  // namespace meshauth::cli
