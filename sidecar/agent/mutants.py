"""What the tests of the agent's parts must notice: see tools/mutants.py. Each takes one check away, or one thing that is told.

The program itself (applier.cc, agent.cc and what they start) is not here: its tests run it as it was built."""

PROGRAM = "agent_test"
OPTIONS = ["--source-file-exclude=*agent_test.cc,*fallback_test.cc,*auth_request_test.cc,*trust_test.cc"]  # those that run the program

# (file, text that is there once, text in its place, what it breaks)
MUTANTS = [
    # what nginx asks
    ("question.cc", "if (is_of_the_connection(name)) return fail(", "if (false) return fail(", "a question with a body"),
    ("question.cc", "if (*place) return fail(", "if (false) return fail(", "what nginx tells, told by the client after it"),
    ("question.cc", "line && uri && uri->starts_with(':') && peer && port && conf;", "uri && uri->starts_with(':') && peer && port && conf;", "no request line"),
    ("question.cc", "line && uri && uri->starts_with(':') && peer && port && conf;", "line && uri && peer && port && conf;", "a path that is not nginx's"),
    ("question.cc", "uri->starts_with(':') && peer && port && conf;", "uri->starts_with(':') && peer && port;", "which auth.conf the worker runs"),
    ("question.cc", "if (!peer) return fail(", "if (false) return fail(", "a peer that is no address"),
    ("question.cc", "port.ec != std::errc() || port.ptr != end", "port.ec != std::errc()", "a port with something after it"),
    ("question.cc", "port.ec != std::errc() || port.ptr != end", "port.ptr != end", "a port over 65535"),
    ("question.cc", " || std::string_view(head).substr(0, at) != kFirstLine", "", "another method than GET"),
    ("question.cc", "if (end == std::string::npos) return fail(\"the head does not end\");", "if (end == std::string::npos) break;", "a head that was cut"),
    ("question.cc", "colon == at || colon >= end", "colon >= end", "a field without a name"),
    ("question.cc", "colon == at || colon >= end", "colon == at", "a line without a colon"),
    ("question.cc", "[](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }", "[](char c) { return c; }", "names in capitals"),
    ("question.cc", "name.remove_prefix(kClients.size());", "(void)0;", "the client's fields of the connection"),
    ("question.cc", "question.unparsed_uri = told.uri->substr(1);", "question.unparsed_uri = question.request.target;", "what nginx delivers"),
    ("question.cc", "text_.append(engine::harmless(value));", "text_.append(value);", "a value that makes a line of the answer"),
    # how it is decided
    ("decider.cc", "!engine::delivers(question.request.target, question.unparsed_uri, !question.unparsed_uri.starts_with('/'))", "false", "one path decided, another delivered"),
    ("decider.cc", "if (snapshot == nullptr) return engine::no_bundle();", "if (snapshot == nullptr) return {.allow = true};", "no bundle"),
    ("decider.cc", "if (outcome.allow && snapshot->auth_conf != question.auth_conf) {", "if (false) {", "a worker whose auth.conf is gone"),
    ("decider.cc", "if (newest_.snapshot && newest_.snapshot->auth_conf != next->auth_conf) before_ = std::move(newest_);", "", "workers of before a reload"),
    ("decider.cc", "return !fits && before_.snapshot && before_.snapshot->auth_conf == auth_conf ? before_ : newest_;", "return newest_;", "which bundle a worker of before gets"),
    ("decider.cc", "  next->set_fresh(fresh_);\n", "", "the age of keys in the next bundle"),
    ("decider.cc", "  fresh_.merge(fresh);\n", "  fresh_ = fresh;\n", "an age that goes back"),
    ("decider.cc", "for (const InForce* held : {&newest_, &before_}) {", "for (const InForce* held : {&before_}) {", "the age of keys in force"),
    ("decider.cc", "options_.observe ? 200 : outcome.status()", "outcome.status()", "an observer"),
    ("decider.cc", "options_.observe ? 200 : outcome.status()", "200", "what is refused"),
    ("decider.cc", "  counters_.add(outcome);\n", "", "counters"),
    ("decider.cc", "  unknown_kids_.clear();\n", "", "a kid that is told for ever"),
    ("decider.cc", "if (!outcome.unknown_kid.empty()) unknown_kids_", "if (false) unknown_kids_", "a kid that is not told"),
    ("decider.cc", "answer.add(\"WWW-Authenticate\", engine::challenge(outcome, options_.resource_metadata));", "", "challenges"),
    ("decider.cc", "answer.add(in_answer, engine::forwarded_value(snapshot, &outcome, name, question->headers));", "", "identity"),
    ("decider.cc", "!outcome.allow || outcome.audit || sampled ? \"1\" : \"\"", "sampled ? \"1\" : \"\"", "audit lines of refusals"),
    ("decider.cc", "!outcome.allow || outcome.audit || sampled ? \"1\" : \"\"", "\"1\"", "audit lines of what need not be told"),
    ("decider.cc", "return lines == 1 ? sent : \"\";", "return sent;", "two traceparents"),
    ("decider.cc", "if (number * unit < engine::kMinTokenCacheBytes) return std::nullopt;", "", "a token cache of nothing"),
    ("decider.cc", " || number > kMost / unit) return", ") return", "a token cache of any size"),
    ("decider.cc", "read.ptr != text.data() + text.size() ||", "", "a size with something after it"),
    ("decider.cc", "if (!options.path_allow.empty() && !allow) return fail(", "if (false) return fail(", "allowances that are none"),
    ("decider.cc", "if (!options.resource_metadata.empty() && !engine::is_metadata_url(options.resource_metadata)) {", "if (false) {", "an address of metadata that is none"),
    ("decider.cc", "options.preflight == \"pass\" ? engine::Preflight::Pass", "true ? engine::Preflight::Pass", "preflights that are to be decided"),
    # bundles in their folder
    ("folder.cc", "if (content.size() > most) return", "if (false) return", "files of any size"),
    ("folder.cc", "if (bundle->manifest.revision != revision) return", "if (false) return", "a link to another revision than its name"),
    ("folder.cc", "return bundle::open_bundle(std::move(*manifest), std::move(*signature), std::move(files), trust, workload);", "return bundle::open_bundle(std::move(*manifest), std::move(*signature), std::move(files), trust, \"shop/orders\");", "which workload it is for"),
    ("folder.cc", "if (!there || *there != content) return false;", "if (!there) return false;", "a bundle that was changed on disk"),
    ("folder.cc", "if (is_revision(revision) && revision != current_revision()) remove_all", "if (revision != current_revision()) remove_all", "folders that are no revision"),
    ("folder.cc", "if (is_revision(revision) && revision != current_revision()) remove_all", "if (is_revision(revision)) remove_all", "the revision in force, where one is discarded"),
    ("folder.cc", " && name != keep_too && name != current_revision()) remove_all", " && name != keep_too) remove_all", "the revision in force, where old ones go"),
    ("folder.cc", "if (!fresh) return tl::unexpected(fresh.error());", "if (false) return tl::unexpected(fresh.error());", "the signature of fresh.json"),
    ("folder.cc", "if (merged == *held && !same) return false;", "", "an age that goes back, on disk"),
    ("folder.cc", "if (merged == *held && !same) return false;", "if (merged == *held) return false;", "the signature of the next key"),
    # what a bundle goes through
    ("apply.cc", "return offered.epoch < highest ? Order::Stale : Order::Newer;", "return Order::Newer;", "a bundle that was replaced already"),
    ("apply.cc", "return offered.epoch < highest ? Order::Stale : Order::Newer;", "return offered.epoch <= highest ? Order::Stale : Order::Newer;", "a bundle that was written down and never put in place"),
    ("apply.cc", "if (!revision.empty() && offered.revision == revision) return Order::Current;", "", "the bundle in force, again"),
    ("apply.cc", "constexpr ApplyAction kTest[] = {Write, Test};", "constexpr ApplyAction kTest[] = {Write, Install, Test};", "an auth.conf before its test"),
    ("apply.cc", "kReload[] = {Install, Switch, Reload, StartTimer};", "kReload[] = {Install, Reload, Switch, StartTimer};", "the signal before the link"),
    ("apply.cc", "kSwapBack[] = {SwitchBack, AckRefused, StartTimer};", "kSwapBack[] = {AckRefused, StartTimer};", "the way back"),
    # who runs it
    ("workers.cc", "if (worker.revision != wanted.revision) {", "if (worker.revision.empty()) {", "a worker of the bundle before"),
    ("workers.cc", "if (running < wanted.count) return", "if (running == 0) return", "workers that have not started"),
    ("workers.cc", "if (worker.auth_conf != wanted.auth_conf) {", "if (false) {", "a worker of the auth.conf before"),
    ("workers.cc", "return old == 0 ? std::string() :", "return true ? std::string() :", "a worker of before that takes requests"),
    ("workers.cc", "std::erase_if(workers_, [this](const auto& item) { return !alive_(item.second.pid); });", "", "dead workers"),
    ("workers.cc", "if (workers_.size() >= kMostWorkers && !workers_.contains(key)) return;", "", "any number of workers"),
    # the operator's stream
    ("sse.cc", "if (line_.size() + event_.data.size() + event_.name.size() > most_) {", "if (line_.size() > most_) {", "events of any size"),
    ("sse.cc", "if (std::exchange(has_data_, true)) event_.data += '\\n';", "has_data_ = true;", "data of several lines"),
    ("sse.cc", "after_cr_ = bytes[end] == '\\r';", "", "CR LF"),
    # what asks it to drain
    ("drain.cc", "parsed.ptr != end || pid < 1)", "parsed.ptr != end)", "groups of processes"),
]
