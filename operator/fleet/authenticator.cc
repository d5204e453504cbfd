#include "operator/fleet/authenticator.h"

#include <openssl/crypto.h>

#include <cmath>
#include <fstream>

#include "core/base/base64.h"
#include "core/base/digest.h"
#include "core/base/json_doc.h"
#include "core/base/text.h"
#include "core/bundle/wire.h"

namespace meshauth::fleet {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxTokenFileBytes = 4096;
constexpr std::size_t kMinSharedTokenBytes = 16;
constexpr auto kSharedTokenLife = 60s;   // a replaced file counts after this at the latest
constexpr auto kUnknownTokenLife = 60s;  // where a token does not say when it ends
constexpr std::string_view kServiceAccount = "system:serviceaccount:";

Result<std::string> read_token(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail("the token file {} cannot be read", in_quotes(path));
  std::string text(kMaxTokenFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxTokenFileBytes) return fail("the token file {} has over {} bytes", path, kMaxTokenFileBytes);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  if (text.size() < kMinSharedTokenBytes) {
    return fail("the token file {} must hold a secret of at least {} bytes", in_quotes(path), kMinSharedTokenBytes);
  }
  return text;
}

// The API server has vouched for the token; only its end is read here. RFC 7519, section 4.1.4.
std::chrono::system_clock::time_point expiry_of(std::string_view token) {
  const auto fallback = std::chrono::system_clock::now() + kUnknownTokenLife;
  const auto parts = split(token, '.');
  if (parts.size() != 3) return fallback;
  const auto payload = base64url_decode(parts[1]);
  if (!payload) return fallback;
  const auto doc = JsonDoc::parse(*payload);
  double exp = 0;
  if (!doc || doc->root()["exp"].get(exp) != simdjson::SUCCESS || !std::isfinite(exp) || exp < 0 || exp > 1e11) {
    return fallback;
  }
  return std::chrono::system_clock::time_point(std::chrono::seconds(static_cast<std::int64_t>(exp)));
}

}  // namespace

std::string Authenticator::why_refused(const Caller& caller, std::string_view workload) const {
  return fmt::format("pod {} is not known as a pod of workload {}", caller.pod, workload);
}

Result<std::optional<Caller>> FileAuthenticator::authenticate(std::string_view token, std::string_view instance) {
  const auto expected = read_token(token_file_);
  if (!expected) return tl::unexpected(expected.error());
  // Digests have one length, so that the time says nothing about the secret's.
  const auto ours = sha256(*expected);
  const auto theirs = sha256(token);
  if (CRYPTO_memcmp(ours.data(), theirs.data(), ours.size()) != 0) return std::optional<Caller>();
  const auto name = bundle::is_dns_label(instance) ? instance : std::string_view("agent");
  return Caller{fmt::format("standalone/{}", name), "", std::chrono::system_clock::now() + kSharedTokenLife};
}

bool FileAuthenticator::pod_in_workload(const Caller& /*caller*/, std::string_view /*workload*/) {
  return true;  // the one shared secret is for every workload of the folder
}

Result<std::optional<Caller>> KubernetesAuthenticator::authenticate(std::string_view token,
                                                                    std::string_view /*instance*/) {
  const auto review = review_(token);
  if (!review) return tl::unexpected(review.error());
  if (!*review) return std::optional<Caller>();
  std::string_view username = (*review)->username;
  // A good token that is no pod's: known, and of no workload (403).
  if (!username.starts_with(kServiceAccount) || (*review)->pod_name.empty() || (*review)->pod_uid.empty()) {
    return Caller{"", "", expiry_of(token)};
  }
  username.remove_prefix(kServiceAccount.size());
  const auto account_namespace = username.substr(0, username.find(':'));
  return Caller{fmt::format("{}/{}", account_namespace, (*review)->pod_name), (*review)->pod_uid, expiry_of(token)};
}

bool KubernetesAuthenticator::pod_in_workload(const Caller& caller, std::string_view workload) {
  if (caller.pod.empty()) return false;
  const auto slash = caller.pod.find('/');
  const auto pod = find_(caller.pod);
  return pod && pod->uid == caller.pod_uid && !pod->workload.empty() &&
         workload == fmt::format("{}/{}", caller.pod.substr(0, slash), pod->workload);
}

std::string KubernetesAuthenticator::why_refused(const Caller& caller, std::string_view workload) const {
  const std::string ns(workload.substr(0, workload.find('/')));
  if (!watches_ || watches_(ns)) return Authenticator::why_refused(caller, workload);
  return fmt::format(
      "namespace {} is not watched by this operator: add it to --watch-namespace (watchNamespaces of the chart)", ns);
}

}  // namespace meshauth::fleet
