// nginx's configuration as nginx reads it: a port of ngx_conf_read_token (src/core/ngx_conf_file.c). Never part of a
// program.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace meshauth::render::testing {

struct Directive {
  std::size_t depth = 0;
  std::vector<std::string> words;  ///< the name first; quotes and escapes are gone
  bool block = false;

  friend bool operator==(const Directive&, const Directive&) = default;
};

class NginxReader {
 public:
  explicit NginxReader(std::string_view text) : text_(text) {}

  /// Errors where nginx would not start.
  Result<std::vector<Directive>> read() {
    while (at_ < text_.size() && fault_.empty()) step(text_[at_++]);
    if (fault_.empty() && (state_ != State::Space || !words_.empty())) fault_ = "unexpected end of file";
    if (fault_.empty() && depth_ != 0) fault_ = "a block is not closed";
    if (!fault_.empty()) return fail("{} at byte {}", fault_, at_);
    return std::move(out_);
  }

 private:
  enum class State { Space, Word, Quoted, AfterQuote, Comment };

  void step(char c) {
    switch (state_) {
      case State::Comment:
        if (c == '\n') state_ = State::Space;
        break;
      case State::AfterQuote:
        state_ = State::Space;
        if (!blank(c) && c != ';' && c != '{' && c != ')') fault_ = "unexpected character after a quote";
        between(c);
        break;
      case State::Space:
        between(c);
        break;
      case State::Quoted:
      case State::Word:
        inside(c);
        break;
    }
  }

  static bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  void between(char c) {
    if (blank(c)) return;
    if (c == ';' || c == '{') return end(c == '{');
    if (c == '}') {
      if (!words_.empty() || depth_ == 0) fault_ = "unexpected }";
      if (depth_ > 0) --depth_;
      return;
    }
    if (c == '#') {
      state_ = State::Comment;
      return;
    }
    state_ = c == '"' || c == '\'' ? State::Quoted : State::Word;
    quote_ = c;
    variable_ = c == '$';
    word_.clear();
    if (state_ == State::Word) add(c);
  }

  void inside(char c) {
    if (state_ == State::Word && c == '{' && variable_) {
      word_ += c;
      return;
    }
    variable_ = c == '$';
    if (state_ == State::Quoted ? c == quote_ : blank(c) || c == ';' || c == '{') {
      words_.push_back(word_);
      const bool quoted = state_ == State::Quoted;
      state_ = quoted ? State::AfterQuote : State::Space;
      if (!quoted && !blank(c)) end(c == '{');
      return;
    }
    add(c);
  }

  /// One character of a word, with what a backslash takes along.
  void add(char c) {
    if (c != '\\' || at_ == text_.size()) {
      word_ += c;
      return;
    }
    const char next = text_[at_++];
    if (next == '"' || next == '\'' || next == '\\') {
      word_ += next;
    } else if (next == 't' || next == 'r' || next == 'n') {
      word_ += next == 't' ? '\t' : next == 'r' ? '\r' : '\n';
    } else {
      word_ += c;
      word_ += next;
    }
  }

  void end(bool block) {
    if (words_.empty()) {
      fault_ = block ? "unexpected {" : "unexpected ;";
      return;
    }
    out_.push_back({depth_, std::move(words_), block});
    words_.clear();
    if (block) ++depth_;
  }

  std::string_view text_;
  std::size_t at_ = 0, depth_ = 0;
  State state_ = State::Space;
  char quote_ = '\0';
  bool variable_ = false;
  std::string word_, fault_;
  std::vector<std::string> words_;
  std::vector<Directive> out_;
};

inline Result<std::vector<Directive>> read_directives(std::string_view text) {
  return NginxReader(text).read();
}

/// Names, places and numbers of words alone: what stays the same when only the text of arguments differs.
inline std::string structure(const std::vector<Directive>& directives) {
  std::string out;
  for (const Directive& one : directives) {
    out += fmt::format("{} {} {}{}\n", one.depth, one.words.front(), one.words.size() - 1, one.block ? " {" : "");
  }
  return out;
}

}  // namespace meshauth::render::testing
