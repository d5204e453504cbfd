#include <algorithm>

#include "core/model/identity_provider.h"

namespace meshauth::model {

using Labels = std::map<std::string, std::string>;

namespace {

bool holds(const LabelSelector::Expression& expression, const Labels& labels) {
  const auto at = labels.find(expression.key);
  const bool there = at != labels.end();
  if (expression.op == "Exists") return there;
  if (expression.op == "DoesNotExist") return !there;
  const bool among =
      there && std::find(expression.values.begin(), expression.values.end(), at->second) != expression.values.end();
  return expression.op == "In" ? among : !among;  // NotIn holds for a missing label, as in Kubernetes
}

}  // namespace

bool LabelSelector::matches(const Labels& labels) const {
  const bool equal = std::all_of(match_labels.begin(), match_labels.end(), [&](const auto& label) {
    const auto at = labels.find(label.first);
    return at != labels.end() && at->second == label.second;
  });
  return equal && std::all_of(match_expressions.begin(), match_expressions.end(),
                              [&](const Expression& expression) { return holds(expression, labels); });
}

bool shared_with(const IdentityProvider& provider, const std::string& ns, const Labels& namespace_labels) {
  switch (provider.allowed_namespaces.from) {
    case AllowedNamespaces::From::All:
      return true;
    case AllowedNamespaces::From::Selector:
      return provider.allowed_namespaces.selector.matches(namespace_labels);
    case AllowedNamespaces::From::Same:
      break;
  }
  return ns == provider.meta.ns;
}

}  // namespace meshauth::model
