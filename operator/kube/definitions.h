// CustomResourceDefinitions: are they there, served, and no older than what reads the resources?
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "operator/kube/api_client.h"

namespace meshauth::kube {

/// Label of a definition: a number that grows whenever its schema changes (crds/schema_version.py).
inline constexpr std::string_view kSchemaVersionLabel = "meshauth.dev/schema-version";

/// The number that the label says; 0 where it is absent or no number.
int schema_version(const nlohmann::json& definition);

/// Why the definitions do not fit, and how to mend it; empty: a definition of schema version `least` or newer is there
/// for each, and is served. Reads each by its name (apiextensions.k8s.io/v1, get). Errors: what the API server said.
Result<std::string> unfit_definitions(const ApiClient& api, const std::vector<Resource>& resources, int least);

/// The same, where both are an error.
Status check_definitions(const ApiClient& api, const std::vector<Resource>& resources, int least);

}  // namespace meshauth::kube
