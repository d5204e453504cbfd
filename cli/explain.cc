// meshauthctl explain: why would nginx answer so?
#include <memory>
#include <ostream>

#include "cli/commands.h"
#include "cli/question.h"

namespace meshauth::cli {
namespace {

std::string audit_text(const engine::AuditVerdict& audit) {
  return policy::to_text(policy::Verdict{audit.allow, audit.reason, audit.policy, audit.rule, {}, {}});
}

int run_explain(const QuestionOptions& options, Streams& io) {
  const auto answer = ask(options, io);
  if (!answer) return kFailed;
  if (answer->explanation) {
    io.out << policy::to_text(*answer->explanation) << std::flush;
  } else {
    io.out << "deny (" << answer->status() << ' ' << reason_name(answer->reason) << "), before any policy was asked\n";
    if (!answer->detail.empty()) io.out << "  " << answer->detail << '\n';
    if (answer->audit) io.out << "with audit policies: " << audit_text(*answer->audit) << '\n';
    io.out << std::flush;
  }
  return answer->allow ? kOk : kDenied;
}

}  // namespace

void add_explain(Program& program) {
  auto options = std::make_shared<QuestionOptions>();
  Command app = program.command(
      "explain",
      "decide's flags; prints every rule, what did not hold, and the smallest change that would let it pass");
  add_question_options(app, *options);
  app.on([options](Streams& io) { return run_explain(*options, io); });
}

}  // namespace meshauth::cli
