// Mustache templates that make nginx configuration. The one place that quotes nginx values.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace meshauth::render {

/// A value as one nginx token that means exactly this text: bare where every character is plain
/// ([A-Za-z0-9_.:/@-]), else in double quotes with `\` and `"` escaped. Refused, since nginx has no escape for them:
/// `$`, control characters, invalid UTF-8.
Result<std::string> quote_nginx(std::string_view value);

/// Renders a mustache template (sections, inverted sections, comments). Values: objects, lists, strings, numbers,
/// booleans. Errors, so that nothing from a resource becomes a directive and no tag is silently empty:
/// - unescaped tags `{{{x}}}` and `{{&x}}`, partials and changed delimiters;
/// - a tag inside quotes or a # comment;
/// - a tag that is part of a longer token (`$mesh_auth_header_{{name}}`) with a value that is not plain;
/// - a tag whose name is nowhere in the values; a string that quote_nginx refuses.
Result<std::string> render_template(std::string_view text, const nlohmann::json& values);

}  // namespace meshauth::render
