// Findings and sidecars as a person or a program reads them. docs/how-to/check-a-mesh.md has the shape of the JSON.
#pragma once

#include <string>
#include <vector>

#include "cli/check/examine.h"

namespace meshauth::cli::check {

std::string findings_json(const World& world, const std::vector<Finding>& findings);
/// Of more than kMostRows findings of one id the first ones are shown, and how many there are.
std::string findings_table(const std::vector<Finding>& findings);
constexpr std::size_t kMostRows = 20;
/// One line: what was looked at, and how many findings there are.
std::string summary(const World& world, const std::vector<Finding>& findings);

std::string sidecars_json(const World& world, const std::vector<Sidecar>& sidecars);
std::string sidecars_table(const World& world, const std::vector<Sidecar>& sidecars);

/// Columns as kubectl aligns them: each as wide as its longest cell and three blanks; the last is as it is. Control
/// characters become blanks.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace meshauth::cli::check
