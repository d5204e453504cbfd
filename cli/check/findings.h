// Everything that `meshauthctl check` can find, and one thing found. tools/pages.py makes docs/findings.md from the
// table.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace meshauth::cli::check {

enum class Severity { Error, Warning, Info };
std::string_view to_string(Severity severity);  ///< error, warning, info

// X(Name, "id", Severity, "what it means", "what to do"). In the last one NAMESPACE and NAME are the object's. An id is
// for ever: scripts know it.
#define MESH_AUTH_FINDINGS(X)                                                                                          \
  X(PermissionMissing, "permission-missing", Error,                                                                    \
    "You may not read something that a check needs; the finding names verb and resource. The other checks ran.",       \
    "Have the missing right given to you, for example by a ClusterRoleBinding of ClusterRole mesh-auth-check, which "  \
    "the chart installs.")                                                                                             \
  X(ReadFailed, "read-failed", Error,                                                                                  \
    "The API server did not answer a read as it should. The checks that need it did not run.",                         \
    "Run it again; if it stays, look at the API server with kubectl get --raw /readyz?verbose.")                       \
  X(OutOfTime, "out-of-time", Error,                                                                                   \
    "Not everything could be read in the time given. The checks that need the rest did not run.",                      \
    "Give it longer with --timeout, or look at one namespace with -n.")                                                \
  X(ListCut, "list-cut", Warning, "There is more of something than a check reads; the rest was not looked at.",        \
    "Check the namespaces one by one with -n.")                                                                        \
  X(CrdMissing, "crd-missing", Error, "A kind of ours is not installed: the operator waits for it.",                   \
    "Install the chart with crds.enabled=true, or kubectl apply --server-side -f crds/.")                              \
  X(CrdNotEstablished, "crd-not-established", Error, "The API server does not serve a kind of ours.",                  \
    "kubectl describe crd NAME says why; most often another kind has its names.")                                      \
  X(CrdVersion, "crd-version", Error, "A kind is not served or not stored in the version that this program knows.",    \
    "Install the CRDs of the operator's release, and use the meshauthctl of that release.")                            \
  X(CrdSchema, "crd-schema", Warning,                                                                                  \
    "The fields of a kind in the cluster are not those of this program's release: fields may be refused or pass "      \
    "unseen.",                                                                                                         \
    "Upgrade the CRDs with the operator: by the chart with crds.enabled=true, or kubectl apply --server-side -f "      \
    "crds/.")                                                                                                          \
  X(PluralAmbiguous, "plural-ambiguous", Warning,                                                                      \
    "Another API group has a kind with the same plural or short name: which one kubectl means by the bare name is "    \
    "chance.",                                                                                                         \
    "Write the name in full: kubectl get accesspolicies.meshauth.dev, identityproviders.meshauth.dev; also in roles "  \
    "and scripts.")                                                                                                    \
  X(ClockSkewLocal, "clock-skew-local", Warning,                                                                       \
    "The clock of this machine and the API server's differ; ages said here are by the API server's.",                  \
    "Synchronize both clocks (NTP). A token that was made here may be not yet valid there.")                           \
  X(ClockSkewOperator, "clock-skew-operator", Warning,                                                                 \
    "The clock of the operator's node and the API server's differ: freshness of keys is told by the operator's.",      \
    "Synchronize the clock of the operator's node (NTP).")                                                             \
  X(ClockSkewSidecar, "clock-skew-sidecar", Warning,                                                                   \
    "The clock of a sidecar's node differs from the operator's: tokens are refused there as expired or not yet "       \
    "valid.",                                                                                                          \
    "Synchronize the clock of the pod's node (NTP): kubectl get pod -n NAMESPACE NAME -o wide names it.")              \
  X(OperatorMissing, "operator-missing", Error,                                                                        \
    "There is no Deployment of the operator. A warning where something renews its Lease: it runs somewhere else.",     \
    "Install the chart, or name its namespace with --operator-namespace.")                                             \
  X(OperatorUnavailable, "operator-unavailable", Error, "No replica of the operator is ready.",                        \
    "kubectl describe pod -n NAMESPACE -l app.kubernetes.io/name=mesh-auth-operator, and its log: kubectl logs -n "    \
    "NAMESPACE deploy/NAME. Sidecars go on enforcing meanwhile.")                                                      \
  X(OperatorVersion, "operator-version", Warning, "The operator is of another release than this program.",             \
    "Use the meshauthctl of the operator's release, or upgrade the operator.")                                         \
  X(LeaseMissing, "lease-missing", Error, "No operator ever led: the Lease is not there.",                             \
    "kubectl logs -n NAMESPACE deploy/mesh-auth-operator says what it waits for.")                                     \
  X(LeaseUnheld, "lease-unheld", Error, "No operator leads: the last one gave the Lease back when it ended.",          \
    "Start it: kubectl scale -n NAMESPACE deploy/mesh-auth-operator --replicas=1.")                                    \
  X(LeaseExpired, "lease-expired", Error,                                                                              \
    "The operator that leads does not renew its Lease: it is dead, stuck, or cut off from the API server.",            \
    "kubectl logs -n NAMESPACE deploy/mesh-auth-operator; if it says nothing any more, delete its pod.")               \
  X(WebhookMissing, "webhook-missing", Error,                                                                          \
    "Pods are to be injected, and nothing injects them: the webhook's configuration is not there.",                    \
    "Install the chart with injection.enabled=true.")                                                                  \
  X(WebhookWithoutCa, "webhook-without-ca", Error,                                                                     \
    "A webhook has no caBundle: the API server believes no certificate of it, and refuses the pods.",                  \
    "The operator writes it within seconds while it leads; with cert-manager, look at its cainjector.")                \
  X(WebhookCaUnreadable, "webhook-ca-unreadable", Error, "A webhook's caBundle holds no certificate.",                 \
    "Remove it: kubectl edit mutatingwebhookconfiguration NAME; the operator, or cert-manager, writes it anew.")       \
  X(WebhookCaExpired, "webhook-ca-expired", Error, "No certificate in a webhook's caBundle is valid now.",             \
    "With cert-manager, renew the Certificate. Else replace the mesh's authority: kubectl annotate secret -n "         \
    "mesh-auth-system mesh-auth-keys meshauth.dev/rotate=ca.")                                                         \
  X(WebhookCaExpiring, "webhook-ca-expiring", Warning, "The certificate in a webhook's caBundle ends soon.",           \
    "With cert-manager, see why the Certificate is not renewed. Else see in the operator's log why the mesh's "        \
    "authority is not replaced: it is at two thirds of its life.")                                                     \
  X(WebhookFailsOpen, "webhook-fails-open", Warning,                                                                   \
    "failurePolicy is not Fail: while the webhook is away pods start without a sidecar, and nobody is asked for a "    \
    "token.",                                                                                                          \
    "Put failurePolicy: Fail back: kubectl edit mutatingwebhookconfiguration NAME, or install the chart again.")       \
  X(WebhookNoEndpoints, "webhook-no-endpoints", Error,                                                                 \
    "No ready endpoint stands behind the webhook's Service: pods to be injected are refused.",                         \
    "See that the operator is ready, and that Service NAME selects it: kubectl get endpointslices -n NAMESPACE.")      \
  X(TrustMissing, "trust-missing", Error,                                                                              \
    "A namespace with sidecars has no ConfigMap meshauth.trust: new pods wait for it.",                                \
    "The operator makes it when it sees the pods: kubectl logs -n mesh-auth-system deploy/mesh-auth-operator. Does "   \
    "a ConfigMap of that name without our label stand in the way?")                                                    \
  X(TrustUnreadable, "trust-unreadable", Error, "ConfigMap meshauth.trust holds nothing that a sidecar could trust.",  \
    "Delete it: kubectl delete cm -n NAMESPACE NAME; the operator makes it anew.")                                     \
  X(TrustCaExpired, "trust-ca-expired", Error,                                                                         \
    "No certificate of the fleet's authority is valid now: sidecars cannot connect to the operator.",                  \
    "Replace it: kubectl annotate secret -n mesh-auth-system mesh-auth-keys meshauth.dev/rotate=ca.")                  \
  X(TrustCaExpiring, "trust-ca-expiring", Warning, "The certificate of the fleet's authority ends soon.",              \
    "The operator replaces it at two thirds of its life; kubectl describe secret -n mesh-auth-system mesh-auth-keys "  \
    "says what blocks that.")                                                                                          \
  X(CertificateExpired, "certificate-expired", Error,                                                                  \
    "The certificate that the operator shows to sidecars, or to the API server, is not valid now.",                    \
    "Restart the operator: kubectl rollout restart -n NAMESPACE deploy/mesh-auth-operator; its log says why it did "   \
    "not renew it. With cert-manager, look at the Certificate.")                                                       \
  X(CertificateExpiring, "certificate-expiring", Warning,                                                              \
    "A certificate of the operator should have been renewed: five sixths of its life are over.",                       \
    "The operator's log says why: kubectl logs -n NAMESPACE deploy/mesh-auth-operator. With cert-manager, look at "    \
    "the Certificate.")                                                                                                \
  X(MeshKeysOld, "mesh-keys-old", Info,                                                                                \
    "The fleet's authority is older than it becomes by default: it was not replaced after two years.",                 \
    "If --ca-lifetime does not say so, see what blocks it: kubectl describe secret -n mesh-auth-system "               \
    "mesh-auth-keys. To replace the mesh's keys now: kubectl annotate secret -n mesh-auth-system mesh-auth-keys "      \
    "meshauth.dev/rotate=all.")                                                                                        \
  X(ProviderUnvisited, "provider-unvisited", Error, "No operator has looked at a provider: it has no conditions.",     \
    "See that the operator runs and leads: kubectl logs -n mesh-auth-system deploy/mesh-auth-operator.")               \
  X(ProviderStatusOld, "provider-status-old", Warning, "A provider's status speaks of an older form of it.",           \
    "Run it again; if it stays, the operator does not keep up: its log, and metric workqueue_depth.")                  \
  X(ProviderInvalid, "provider-invalid", Error, "A field of a provider is refused; its last good form is in force.",   \
    "Correct the field that the message names: kubectl edit identityproviders.meshauth.dev -n NAMESPACE NAME.")        \
  X(ProviderPending, "provider-pending", Warning, "A provider's keys were not fetched yet.",                           \
    "Run it again; if it stays, kubectl describe identityproviders.meshauth.dev -n NAMESPACE NAME.")                   \
  X(ProviderKeys, "provider-keys", Error,                                                                              \
    "A provider has no keys that may be used: its tokens are refused, or answered 503.",                               \
    "Do what the message says: is the provider up, and reachable from the operator's pod? kubectl describe "           \
    "identityproviders.meshauth.dev -n NAMESPACE NAME.")                                                               \
  X(ProviderDiscovery, "provider-discovery", Error, "A provider's discovery document cannot be used.",                 \
    "Compare spec.issuer with the issuer of the document byte for byte, and see that it can be reached: kubectl "      \
    "describe identityproviders.meshauth.dev -n NAMESPACE NAME.")                                                      \
  X(ProviderFailing, "provider-failing", Warning,                                                                      \
    "The last fetches of a provider's keys failed; the last good ones are in use until maxStale has passed.",          \
    "See that the provider can be reached from the operator's pod; the message names what came.")                      \
  X(ProviderOverdue, "provider-overdue", Error, "The next fetch of a provider's keys is overdue: nobody fetches.",     \
    "See that the operator runs and leads; its log says what it does: kubectl logs -n mesh-auth-system "               \
    "deploy/mesh-auth-operator.")                                                                                      \
  X(ProviderKeysAging, "provider-keys-aging", Warning,                                                                 \
    "More than half of a provider's maxStale has passed since its keys were fetched. After all of it tokens are "      \
    "answered 503.",                                                                                                   \
    "Find out why it is not fetched: kubectl describe identityproviders.meshauth.dev -n NAMESPACE NAME.")              \
  X(ProviderKeyOld, "provider-key-old", Info, "A provider signs with the same key for more than a year.",              \
    "Ask whoever runs the provider to rotate its keys; nothing is to be done here.")                                   \
  X(PolicyUnvisited, "policy-unvisited", Error, "No operator has looked at a policy: it has no conditions.",           \
    "See that the operator runs and leads: kubectl logs -n mesh-auth-system deploy/mesh-auth-operator.")               \
  X(PolicyStatusOld, "policy-status-old", Warning, "A policy's status speaks of an older form of it.",                 \
    "Run it again; if it stays, the operator does not keep up: its log, and metric workqueue_depth.")                  \
  X(PolicyInvalid, "policy-invalid", Error, "A field of a policy is refused; its last good form is in force.",         \
    "Correct the field that the message names: kubectl edit accesspolicies.meshauth.dev -n NAMESPACE NAME.")           \
  X(PolicyUnresolved, "policy-unresolved", Error,                                                                      \
    "A policy names a provider that is not there or not shared: its Allow entries match nobody, its Deny entries "     \
    "every caller.",                                                                                                   \
    "Create the provider, correct the name, or set the provider's spec.allowedNamespaces.")                            \
  X(PolicyNotProgrammed, "policy-not-programmed", Error, "A policy is not in force, and waiting does not help.",       \
    "Do what the message says: kubectl describe accesspolicies.meshauth.dev -n NAMESPACE NAME.")                       \
  X(PolicyBypassable, "policy-bypassable", Error,                                                                      \
    "A Service leads to a port of a pod that its sidecar does not hold: what comes there is not asked for a token.",   \
    "Do what the message says: kubectl describe accesspolicies.meshauth.dev -n NAMESPACE NAME.")                       \
  X(PolicyPending, "policy-pending", Warning, "Not every sidecar runs a policy yet.",                                  \
    "meshauthctl status shows which ones do not. If it stays, look at their logs.")                                    \
  X(PolicyNoSidecars, "policy-no-sidecars", Info, "A policy selects no pod that runs.",                                \
    "If pods should be selected, compare their label meshauth.dev/workload with spec.workloads of the policy.")        \
  X(FleetUnreadable, "fleet-unreadable", Error,                                                                        \
    "The operator does not say how its sidecars are, so that they could not be checked.",                              \
    "See that the operator is ready and of this release, and that the API server reaches its port 9090: a "            \
    "NetworkPolicy may stand in between.")                                                                             \
  X(SidecarNeverConnected, "sidecar-never-connected", Error,                                                           \
    "A pod of a workload has not connected to the operator that leads. If it has no sidecar, nothing is enforced "     \
    "there; if it has one, it takes changes from its ConfigMap alone.",                                                \
    "Does the pod have a sidecar? Its log says why it does not connect: kubectl logs -n NAMESPACE NAME -c mesh-auth.") \
  X(SidecarDisconnected, "sidecar-disconnected", Warning,                                                              \
    "A sidecar lost its stream. It goes on enforcing what it has, and takes changes from its ConfigMap.",              \
    "Its log says why it does not come back: kubectl logs -n NAMESPACE NAME -c mesh-auth.")                            \
  X(SidecarRefused, "sidecar-refused", Error,                                                                          \
    "A sidecar refused the current revision and goes on with the one before.",                                         \
    "Do what the message says; kubectl logs -n NAMESPACE NAME -c mesh-auth has more.")                                 \
  X(SidecarBehind, "sidecar-behind", Warning, "A connected sidecar does not run the current revision.",                \
    "Run it again; if it stays, kubectl logs -n NAMESPACE NAME -c mesh-auth: does nginx start and reload?")            \
  X(SidecarImage, "sidecar-image", Warning, "A pod runs another sidecar than new pods get.",                           \
    "Restart what owns the pod: kubectl rollout restart -n NAMESPACE deploy, or the like.")                            \
  X(PodWithoutSidecar, "pod-without-sidecar", Error,                                                                   \
    "A pod that is to be injected has no sidecar: nothing is enforced there.",                                         \
    "It was created before the label or while the webhook was off: create it anew, kubectl delete pod -n NAMESPACE "   \
    "NAME if something owns it.")

enum class Id {
#define MESH_AUTH_ID(name, id, severity, meaning, remedy) name,
  MESH_AUTH_FINDINGS(MESH_AUTH_ID)
#undef MESH_AUTH_ID
};

/// One line of the table.
struct Kind {
  std::string_view id;
  Severity severity;
  std::string_view meaning, remedy;
};
const std::vector<Kind>& kinds();  ///< in the order of Id
inline const Kind& kind_of(Id id) {
  return kinds()[static_cast<std::size_t>(id)];
}

/// What a finding is about. An object of the cluster has no namespace.
struct ObjectName {
  std::string kind, ns, name;

  std::string text() const;  ///< "Pod shop/orders-1"
};

struct Finding {
  Id id;
  Severity severity;
  ObjectName object;
  std::string found;  ///< one sentence without a full stop

  std::string remedy() const;
  std::string link() const;  ///< link_to(where this build's pages are, id)
};

/// The finding's section of findings.md. docs: where the folder docs/ is published; empty: the path in the repository.
std::string link_to(std::string_view docs, Id id);

class Findings {
 public:
  void add(Id id, ObjectName object, std::string found, std::optional<Severity> severity = {});
  /// The worst first, then in the table's order, then by object.
  std::vector<Finding> sorted() &&;

 private:
  std::vector<Finding> all_;
};

}  // namespace meshauth::cli::check
