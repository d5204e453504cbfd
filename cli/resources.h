// Manifests given with -f, read into the values that the operator reads them into.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/command.h"
#include "core/plan/workload_plan.h"

namespace meshauth::cli {

/// Everything below the paths. What is refused is in `faults`, and then also absent here.
struct Resources {
  std::vector<plan::HeldPolicy> policies;                                ///< by id
  std::map<std::string, plan::HeldProvider> providers;                   ///< by id
  std::map<std::string, std::map<std::string, std::string>> namespaces;  ///< labels of the Namespaces given
  std::map<std::string, std::string> files;  ///< by "AccessPolicy ns/name": which file it is of
  std::vector<std::string> faults;           ///< one line each: file, object, field, what would be right
};

/// Flags that say which resources count and how.
struct ResourceOptions {
  std::vector<std::string> paths;
  std::string root_namespace = "mesh-auth-system";
  std::string default_action = "Deny";

  plan::MeshSettings mesh() const;
};

/// -f, --root-namespace, --default-action. `many`: -f takes several paths at once, for commands without other
/// arguments.
void add_resource_options(Command& app, ResourceOptions& options, bool many);

constexpr std::size_t kManifestBytes = 4 * 1024 * 1024;  ///< of one file

/// The files that a path of -f stands for, in order: itself, or the manifests directly in the folder. Throws
/// UsageError.
std::vector<std::string> manifest_files(const std::string& path);

/// Files, and the files *.yaml, *.yml and *.json directly in folders; - is the standard input. Objects of other API
/// groups are passed over, but for Namespaces. Throws UsageError for a path that cannot be read.
Resources read_resources(const ResourceOptions& options, Streams& io);

/// Prints the faults; true if there are any.
bool print_faults(const Resources& resources, Streams& io);

}  // namespace meshauth::cli
