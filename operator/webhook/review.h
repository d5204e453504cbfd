// One admission review (admission.k8s.io/v1) in, one out. Pure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/inject/inject.h"

namespace meshauth::webhook {

/// Injected: with a patch. Unchanged: the pod wants no sidecar, or has what it would get. Refused: the pod is not
/// admitted. Malformed: no review that could be answered.
enum class Outcome : std::uint8_t { Injected, Unchanged, Refused, Malformed };
std::string_view to_string(Outcome outcome);

struct Reviewed {
  Outcome outcome = Outcome::Malformed;
  std::string body;     ///< JSON; of Malformed a sentence
  std::string pod;      ///< namespace/name, as far as it is known, for the log
  std::string message;  ///< of Refused: why
};

/// What the labels of a namespace are; nullopt: it is not known (yet).
using NamespaceLabels = std::function<std::optional<std::map<std::string, std::string>>(const std::string& ns)>;

/// Does the operator look after this namespace at all? Empty: after every one.
using Watches = std::function<bool(const std::string& ns)>;

/// asked: the namespace's label is what called us. A transparent capture in a namespace that is not known is refused,
/// since the level that it enforces decides about it. A pod that would get a sidecar where nobody gives it a bundle is
/// refused too.
Reviewed review(std::string_view body, bool asked, const inject::Settings& settings, const NamespaceLabels& labels,
                const Watches& watches = {});

}  // namespace meshauth::webhook
