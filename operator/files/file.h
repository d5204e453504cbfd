// Reading and replacing small files.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace meshauth::files {

/// Errors name the file, and what to do where that is plain.
Result<std::string> read_file(const std::string& path, std::size_t most);

/// Replaces the file in one step (a reader sees the old bytes or the new), with the mode given; makes its folder.
Status write_file(const std::string& path, std::string_view content, unsigned mode = 0644);

/// A template's text, out of `folder` (the option --templates), or, if that is empty, out of the checkout in which this
/// program was built, else from where it is installed. Errors: it is in none of them, or larger than 256 KiB.
Result<std::string> read_template(const std::string& folder, const std::string& file);

/// Writes the files into `folder` as kubelet writes a ConfigMap volume: all of them change in one step, the rename of
/// the link `..data`. Files that are not in the list go.
Status write_volume(const std::string& folder, const std::map<std::string, std::string>& files);

}  // namespace meshauth::files
