"""What the tests of quoting and templates must notice: see tools/mutants.py."""

# (file, text that is there once, text in its place, what it breaks)
MUTANTS = [
    ("template.cc", "0123456789_.:/@-", "0123456789_.:/@-;", "a bare semicolon"),
    ("template.cc", "0123456789_.:/@-", "0123456789_.:/@- ", "a bare blank"),
    ("template.cc", "return !value.empty() && value.find_first_not_of(kPlain) == value.npos;", "return value.find_first_not_of(kPlain) == value.npos;", "an empty value is no word"),
    ("template.cc", "if (c == '\"' || c == '\\\\') out += '\\\\';", "if (c == '\"') out += '\\\\';", "a backslash at the end"),
    ("template.cc", "if (c == '\"' || c == '\\\\') out += '\\\\';", "if (c == '\\\\') out += '\\\\';", "a quote in a value"),
    ("template.cc", "if (c == '$' || byte < 0x20", "if (byte < 0x20", "variables"),
    ("template.cc", "byte < 0x20 || byte == 0x7f) {", "byte == 0x7f) {", "control characters"),
    ("template.cc", "if (!valid_utf8(value)) return", "if (false) return", "what is no UTF-8"),
    ("template.cc", "if (kind == '{' || kind == '&') {", "if (kind == '{') {", "tags that are not escaped"),
    ("template.cc", "if (quote_ != '\\0' || comment_) {", "if (comment_) {", "a tag inside quotes"),
    ("template.cc", "if (quote_ != '\\0' || comment_) {", "if (quote_ != '\\0') {", "a tag in a comment"),
    ("template.cc", "if (!alone) tags_.parts.insert(name);", "", "a tag inside a longer word"),
    ("template.cc", "if (rendered && !seen.names.contains(name)) return", "if (false) return", "a tag without a value"),
    ("auth_conf.cc", "if (provider.forward_token) continue;", "continue;", "a token that is to be removed"),
]
