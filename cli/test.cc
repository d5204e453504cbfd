// meshauthctl test: cases of who may do what, against the resources.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/question.h"
#include "core/base/text.h"
#include "operator/files/manifest.h"

namespace meshauth::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kTestFileBytes = 4 * 1024 * 1024;

struct TestOptions {
  ResourceOptions resources;
  std::vector<std::string> files;
  std::string path_allow;
};

/// What is wrong with a case: told with its file and its place.
struct CaseFault {
  std::string message;
};

struct Want {
  std::optional<std::string> decision, reason, policy, rule;
  std::optional<int> status;
};

struct Case {
  std::string name, workload;
  OfflineRequest request;
  OfflineCaller caller;
  Want want;
};

/// Strict reading of one object of a case: what nobody asks for is refused.
class Fields {
 public:
  Fields(const json& object, std::string at, std::initializer_list<std::string_view> known)
      : object_(object), at_(std::move(at)) {
    if (!object.is_object()) throw CaseFault{at_ + " is no object"};
    for (const auto& [name, unused] : object.items()) {
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        throw CaseFault{
            fmt::format("{}: unknown field {}; known are {}", at_, in_quotes(name), fmt::join(known, ", "))};
      }
    }
  }
  const json* find(const char* name) const {
    const auto at = object_.find(name);
    return at == object_.end() || at->is_null() ? nullptr : &*at;
  }
  const json& needed(const char* name) const {
    const json* value = find(name);
    if (value == nullptr) throw CaseFault{fmt::format("{}.{} is missing", at_, name)};
    return *value;
  }
  std::optional<std::string> text(const char* name) const {
    const json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) throw CaseFault{fmt::format("{}.{} is no text", at_, name)};
    return value->get<std::string>();
  }
  std::string needed_text(const char* name) const {
    needed(name);
    return *text(name);
  }
  std::optional<int> number(const char* name, int least, int most) const {
    const json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number_integer() || *value < least || *value > most) {
      throw CaseFault{fmt::format("{}.{} is no whole number from {} to {}", at_, name, least, most)};
    }
    return value->get<int>();
  }
  const std::string& at() const { return at_; }

 private:
  const json& object_;
  std::string at_;
};

void read_headers(const json& headers, const std::string& at, OfflineRequest& request) {
  if (!headers.is_object()) throw CaseFault{at + " is no object of names and values"};
  for (const auto& [name, value] : headers.items()) {
    const json list = value.is_array() ? value : json::array({value});
    for (const json& item : list) {
      if (!item.is_string()) throw CaseFault{fmt::format("{}.{} is neither a text nor a list of texts", at, name)};
      request.headers.emplace_back(to_lower(name), item.get<std::string>());
      const std::string fault = header_fault(request.headers.back().first, request.headers.back().second);
      if (!fault.empty()) throw CaseFault{fmt::format("{}: {}", at, fault)};
    }
  }
}

OfflineRequest read_request(const json& value, const std::string& at) {
  const Fields fields(value, at, {"method", "path", "host", "port", "source", "headers"});
  OfflineRequest out{
      fields.text("method").value_or("GET"), fields.needed_text("path"), fields.text("host").value_or(""), 0, {}, {}};
  out.port = static_cast<std::uint16_t>(fields.number("port", 1, 65535).value_or(0));
  const std::string source = fields.text("source").value_or("127.0.0.1");
  const auto address = IpAddress::parse(source);
  if (!address) throw CaseFault{fmt::format("{}.source: {} is no IP address", at, in_quotes(source))};
  out.source = *address;
  if (const json* headers = fields.find("headers")) read_headers(*headers, at + ".headers", out);
  return out;
}

OfflineCaller read_caller(const json& value, const std::string& at) {
  const Fields fields(value, at, {"provider", "claims", "anonymous"});
  OfflineCaller out;
  if (const json* anonymous = fields.find("anonymous")) {
    if (*anonymous != true || fields.find("provider") || fields.find("claims")) {
      throw CaseFault{at + ": write {anonymous: true} alone, or {provider, claims}"};
    }
    return out;
  }
  out.provider = fields.needed_text("provider");
  out.claims = fields.needed("claims");
  if (!out.claims.is_object()) throw CaseFault{at + ".claims is no object"};
  return out;
}

Want read_want(const json& value, const std::string& at) {
  const Fields fields(value, at, {"decision", "status", "reason", "policy", "rule"});
  Want out{fields.text("decision"), fields.text("reason"), fields.text("policy"), fields.text("rule"),
           fields.number("status", 100, 599)};
  if (out.decision) out.decision = to_lower(*out.decision);
  if (out.decision && *out.decision != "allow" && *out.decision != "deny")
    throw CaseFault{at + ".decision is neither allow nor deny"};
  if (out.reason && !out.reason->empty() && reason_from_name(*out.reason) == Reason::none) {
    throw CaseFault{fmt::format("{}.reason: {} is no reason; docs/reasons.md lists them", at, in_quotes(*out.reason))};
  }
  if (value.empty()) throw CaseFault{at + " wants nothing; write decision, status, reason, policy or rule"};
  return out;
}

std::vector<Case> read_cases(const json& object, const std::string& file) {
  const Fields top(object, file, {"cases"});
  const json& cases = top.needed("cases");
  if (!cases.is_array() || cases.empty()) throw CaseFault{file + ": cases is no list, or an empty one"};
  std::vector<Case> out;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::string at = fmt::format("{}: cases[{}]", file, i);
    const Fields fields(cases[i], at, {"name", "workload", "caller", "request", "want"});
    out.push_back({fields.needed_text("name"), fields.needed_text("workload"),
                   read_request(fields.needed("request"), at + ".request"),
                   read_caller(fields.needed("caller"), at + ".caller"),
                   read_want(fields.needed("want"), at + ".want")});
  }
  return out;
}

std::vector<Case> read_file(const std::string& file, Streams& io) {
  const auto text = read_input(file, kTestFileBytes, io);
  if (!text) throw UsageError{text.error().message};
  const auto objects = files::parse_manifests(*text, file);
  if (!objects) throw CaseFault{objects.error().message};
  if (objects->empty()) throw CaseFault{file + ": holds no cases"};
  std::vector<Case> out;
  for (const json& object : *objects) {
    for (Case& item : read_cases(object, file)) out.push_back(std::move(item));
  }
  return out;
}

/// What differs, as "status: wanted 200, got 403"; empty where nothing does.
std::vector<std::string> differences(const Want& want, const Answer& got) {
  std::vector<std::string> out;
  const auto compare = [&](const char* name, const auto& wanted, const auto& is) {
    if (wanted && *wanted != is) out.push_back(fmt::format("{}: wanted {}, got {}", name, *wanted, is));
  };
  compare("decision", want.decision, std::string(got.allow ? "allow" : "deny"));
  compare("status", want.status, got.status());
  compare("reason", want.reason, std::string(reason_name(got.reason)));
  compare("policy", want.policy, got.policy);
  compare("rule", want.rule, got.rule);
  return out;
}

class Runner {
 public:
  Runner(const TestOptions& options, const Resources& resources, policy::PathAllow allow, Streams& io)
      : options_(options), resources_(resources), allow_(allow), io_(io) {}

  void run(const Case& item) {
    const auto got = ask(item);
    const auto wrong = got ? differences(item.want, *got) : std::vector<std::string>{got.error().message};
    ++(wrong.empty() ? passed_ : failed_);
    io_.out << (wrong.empty() ? "ok    " : "FAIL  ") << item.name << '\n';
    for (const std::string& line : wrong) io_.out << "      " << line << '\n';
    if (!wrong.empty() && got && got->explanation) {
      const std::string tree = policy::to_text(*got->explanation);
      for (const auto line : split(std::string_view(tree).substr(0, tree.size() - 1), '\n'))
        io_.out << "      | " << line << '\n';
    }
  }

  int finish() {
    io_.out << passed_ << " passed, " << failed_ << " failed" << std::endl;
    return failed_ == 0 ? kOk : kFailed;
  }

 private:
  Result<Answer> ask(const Case& item) {
    auto& snapshot = snapshots_[item.workload];
    if (!snapshot) {
      auto made = offline_snapshot(resources_, options_.resources, item.workload, Keys{});
      if (!made) return tl::unexpected(made.error());
      snapshot = std::move(*made);
      if (!snapshot->engine().selected() && item.want.reason != reason_name(Reason::no_policy))
        io_.err << "case " << in_quotes(item.name) << ": no policy selects workload " << item.workload << '\n';
    }
    auto out = answer(*snapshot, resources_, item.request, item.caller, allow_, unix_now());
    const std::string keyless = out ? keyless_provider(*out, resources_) : "";
    if (keyless.empty()) return out;
    return fail("no keys of provider {} are at hand, so none of its tokens can be judged: write the claims", keyless);
  }

  const TestOptions& options_;
  const Resources& resources_;
  const policy::PathAllow allow_;
  Streams& io_;
  std::map<std::string, std::unique_ptr<engine::Snapshot>> snapshots_;
  std::size_t passed_ = 0, failed_ = 0;
};

int run_test(const TestOptions& options, Streams& io) {
  const auto allow = policy::parse_path_allow(options.path_allow);
  if (!allow) throw UsageError{"--path-allow: " + allow.error().message};
  const Resources resources = read_resources(options.resources, io);
  if (print_faults(resources, io)) return kFailed;
  Runner runner(options, resources, *allow, io);
  try {
    std::vector<Case> cases;
    for (const std::string& file : options.files) {
      for (Case& item : read_file(file, io)) cases.push_back(std::move(item));
    }
    for (const Case& item : cases) runner.run(item);
  } catch (const CaseFault& fault) {
    io.err << fault.message << '\n';
    return kFailed;
  }
  return runner.finish();
}

}  // namespace

void add_test(Program& program) {
  auto options = std::make_shared<TestOptions>();
  Command app = program.command("test", "cases of who may do what, against the resources: exit 0 if all are as wanted");
  add_resource_options(app, options->resources, false);
  app.option("FILE", options->files, "cases: [{name, workload, caller, request, want}]").required();
  app.option("--path-allow", options->path_allow, "encoded-slash,semicolon,double-slash: plain data inside a segment");
  app.on([options](Streams& io) { return run_test(*options, io); });
}

}  // namespace meshauth::cli
