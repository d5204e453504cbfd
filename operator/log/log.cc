#include "operator/log/log.h"

#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cmath>
#include <mutex>

#include "core/base/text.h"

namespace meshauth::log {
namespace {

constexpr std::size_t kMaxValueBytes = 2048;  // a line stays readable, and a hostile message cannot fill a disk
// The payload carries the whole rest of the object, so that one pattern serves every line.
constexpr const char* kJsonPattern = R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";
constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v";

class FunctionSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(std::function<void(std::string_view)> to) : to_(std::move(to)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    std::string_view text(line.data(), line.size());
    if (text.ends_with('\n')) text.remove_suffix(1);
    to_(text);
  }
  void flush_() override {}

  std::function<void(std::string_view)> to_;
};

struct State {
  std::mutex mutex;  // guards everything below
  Format format = Format::Auto;
  Level level = Level::Info;
  std::function<void(std::string_view)> to;
  std::shared_ptr<spdlog::logger> logger;
  bool json = false;
};

State& state() {
  static State* const one = new State;  // never destroyed: a thread may log while the program ends
  return *one;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::Debug:
      return spdlog::level::debug;
    case Level::Info:
      return spdlog::level::info;
    case Level::Warning:
      return spdlog::level::warn;
    case Level::Error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

void rebuild(State& s) {
  const bool terminal = !s.to && isatty(STDERR_FILENO) == 1;
  s.json = s.format == Format::Json || (s.format == Format::Auto && !terminal);
  spdlog::sink_ptr sink;
  if (s.to) {
    sink = std::make_shared<FunctionSink>(s.to);
  } else if (!s.json && terminal) {
    sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>();
  } else {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  }
  auto logger = std::make_shared<spdlog::logger>("mesh-auth", std::move(sink));
  logger->set_pattern(s.json ? kJsonPattern : kTextPattern, spdlog::pattern_time_type::utc);
  logger->set_level(to_spdlog(s.level));
  logger->flush_on(spdlog::level::debug);
  s.logger = std::move(logger);
}

bool token_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

// A JWS header is base64url of {" and so begins with eyJ.
std::string without_tokens(std::string_view text) {
  std::string out;
  while (true) {
    const auto at = text.find("eyJ");
    if (at == std::string_view::npos) return out.append(text);
    auto end = at;
    while (end < text.size() && token_character(text[end])) ++end;
    const auto candidate = text.substr(at, end - at);
    const bool token = candidate.size() > 16 && candidate.find('.') != std::string_view::npos;
    out.append(text.substr(0, at));
    out.append(token ? std::string_view("[token]") : candidate);
    text.remove_prefix(end);
  }
}

std::string clean(std::string_view text) {
  // Cut before looking for tokens would leave half a token: look first.
  return without_tokens(text.substr(0, 16 * kMaxValueBytes));
}

void append_json_text(std::string& out, std::string_view text) {
  const bool cut = text.size() > kMaxValueBytes;
  text = text.substr(0, kMaxValueBytes);
  while (cut && !text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.remove_suffix(1);
  if (cut && !text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.remove_suffix(1);
  const bool utf8 = valid_utf8(text);
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else if (byte > 0x7f && !utf8) {
      out += "\\ufffd";
    } else {
      out += c;
    }
  }
  out += cut ? "...\"" : "\"";
}

std::string json_payload(std::string_view message, Fields fields) {
  std::string out = "\"msg\":";
  append_json_text(out, clean(message));
  for (const auto& field : fields) {
    out += ',';
    append_json_text(out, field.key());
    out += ':';
    if (field.literal()) {
      out += field.value();
    } else {
      append_json_text(out, clean(field.value()));
    }
  }
  return out;
}

std::string text_payload(std::string_view message, Fields fields) {
  const auto plain = [](std::string_view text) {
    std::string quoted;
    append_json_text(quoted, clean(text));
    return quoted;
  };
  std::string out = plain(message);
  out = out.substr(1, out.size() - 2);
  for (const auto& field : fields) {
    out += fmt::format(" {}=", field.key());
    const bool simple = field.value().find_first_of(" \"\\\n\t=") == std::string::npos && valid_utf8(field.value());
    std::string value = field.literal() ? field.value() : plain(field.value());
    if (!field.literal() && simple && value.size() > 2) value = value.substr(1, value.size() - 2);
    out += value;
  }
  return out;
}

void write(Level level, std::string_view message, Fields fields) {
  std::shared_ptr<spdlog::logger> logger;
  bool json;
  {
    auto& s = state();
    const std::lock_guard lock(s.mutex);
    if (!s.logger) rebuild(s);
    logger = s.logger;
    json = s.json;
  }
  if (!logger->should_log(to_spdlog(level))) return;
  logger->log(to_spdlog(level),
              spdlog::string_view_t(json ? json_payload(message, fields) : text_payload(message, fields)));
}

}  // namespace

Field::Field(std::string_view key, double number) : key_(key), value_(fmt::format("{}", number)), literal_(true) {
  if (!std::isfinite(number)) literal_ = false;  // JSON has no spelling for it
}

Result<Format> parse_format(std::string_view text) {
  if (text == "auto") return Format::Auto;
  if (text == "json") return Format::Json;
  if (text == "text") return Format::Text;
  return fail("log format {} is not known; one of auto, json, text", in_quotes(text));
}

Result<Level> parse_level(std::string_view text) {
  if (text == "debug") return Level::Debug;
  if (text == "info") return Level::Info;
  if (text == "warning") return Level::Warning;
  if (text == "error") return Level::Error;
  return fail("log level {} is not known; one of debug, info, warning, error", in_quotes(text));
}

void init(Format format, Level level) {
  auto& s = state();
  const std::lock_guard lock(s.mutex);
  s.format = format;
  s.level = level;
  rebuild(s);
}

void set_sink(std::function<void(std::string_view)> sink) {
  auto& s = state();
  const std::lock_guard lock(s.mutex);
  s.to = std::move(sink);
  rebuild(s);
}

void debug(std::string_view message, Fields fields) {
  write(Level::Debug, message, fields);
}
void info(std::string_view message, Fields fields) {
  write(Level::Info, message, fields);
}
void warning(std::string_view message, Fields fields) {
  write(Level::Warning, message, fields);
}
void error(std::string_view message, Fields fields) {
  write(Level::Error, message, fields);
}

}  // namespace meshauth::log
