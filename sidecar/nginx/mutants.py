"""What the tests of the part without nginx must notice: see tools/mutants.py. Most take one check away."""

PROGRAM = "nginx_module_test"

# (file, text that is there once, text in its place, what it breaks)
MUTANTS = [
    # the folder
    ("bundle_folder.cc", "O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags", "O_RDONLY | O_CLOEXEC | O_NONBLOCK", "links in the place of files"),
    ("bundle_folder.cc", "if (!S_ISREG(info.st_mode)) return", "if (false) return", "what is no regular file"),
    ("bundle_folder.cc", "if (out.size() > most) return", "if (false) return", "files of any size"),
    ("bundle_folder.cc", "auto manifest = bundle::open_manifest(*manifest_json, *signature, *trust, workload_);", "auto manifest = bundle::open_manifest(*manifest_json, *signature, *trust, \"shop/other\");", "which workload it is for"),
    ("bundle_folder.cc", "if (auto checked = bundle::check_files(*manifest, *files); !checked) return tl::unexpected(checked.error());", "", "digests of files"),
    ("bundle_folder.cc", "return bundle::open_fresh(*json, *signature, *trust);", "return bundle::Fresh::parse(*json);", "the signature of fresh.json"),
    ("bundle_folder.cc", "stamp.trust = stamp_of(trust_file_);", "", "trust that changed"),
    ("bundle_folder.cc", "stamp.signature = stamp_of(folder_ + \"/current/manifest.json.sig\");", "", "a signature that changed"),
    ("bundle_folder.cc", "  const auto trust = bundle::Trust::parse(*text);\n  if (!trust) return fail(\"{}: {}\", path,", "  const auto trust = bundle::Trust::parse(*text);\n  if (!trust) return {};\n  if (!trust) return fail(\"{}: {}\", path,", "trust in a file that is none"),
    # when to look again
    ("counters.cc", "if (counts_.size() < kMaxCounters) {", "if (true) {", "any number of counters"),
    ("counters.cc", "out.size() < kMaxCountersPerReport", "true", "counters of any number in a report"),
    ("counters.cc", "Less::tie(last_->first) == Less::tie(view)", "true", "counters of one kind"),
    ("kid_reports.cc", "last != sources_.end() && last->second.waits(now)", "false", "any number of kids"),
    ("kid_reports.cc", "    last->second.waiting = kid;\n", "", "the last of many kids"),
    ("kid_reports.cc", "if (sources_.size() >= kMaxKidSources) sources_.clear();", "", "any number of sources"),
    ("kid_reports.cc", "if (known(name, kid)) continue;", "", "a kid that is known by now"),
    ("kid_reports.cc", "    source.told = now;\n", "", "how often the last one is told"),
    ("kid_reports.cc", "|| source.waits(now)) continue;", ") continue;", "kids that wait"),
    ("reporter.cc", "if (json.size() > engine::kMaxWorkerReportBytes) return false;", "", "reports of any size"),
    # traces
    ("trace.cc", " || text[52] != '-'", "", "a trace without its hyphens"),
    ("trace.cc", "!is_hex(trace) || ", "", "an id of any characters"),
    ("trace.cc", "!is_hex(parent) || ", "", "a parent of any characters"),
    ("trace.cc", "!is_hex(flags) || ", "", "flags of any characters"),
    ("trace.cc", " || version == \"ff\"", "", "version ff"),
    ("trace.cc", "if (all_zero(trace) || all_zero(parent)) return false;", "", "ids of zeros"),
    ("trace.cc", "if (version == \"00\") return text.size() == kLength;", "", "more than version 00 has"),
    ("trace.cc", "text.size() == kLength || text[kLength] == '-'", "true", "what follows in a later version"),
    ("trace.cc", "random[1] | 1", "random[1]", "an id of zeros that is made"),
]
