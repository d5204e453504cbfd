// The files of a bundle, each reader on the same input: what is read is written back the same and makes no caller out
// of nothing; what is refused says why.
#include <algorithm>

#include "core/base/base64.h"
#include "core/base/text.h"
#include "core/bundle/bundle.h"
#include "core/engine/decide.h"
#include "fuzz/check.h"

using namespace meshauth;

namespace {

constexpr const char* kWorkload = "shop/orders";

template <class T>
bool refused(const Result<T>& read) {
  if (!read) FUZZ_CHECK(!read.error().message.empty() && valid_utf8(read.error().message));
  return !read;
}

/// Nobody signed this token.
void present_a_token(bundle::JwksFile file) {
  engine::Snapshot snapshot(std::move(file), {});
  const std::string payload = snapshot.providers().empty() ? "{}" : R"({"iss":"https://idp","aud":"api","exp":1e9})";
  const std::string token =
      base64url_encode(R"({"alg":"ES256"})") + "." + base64url_encode(payload) + "." + std::string(86, 'A');
  const std::string value = "Bearer " + token;
  const engine::Header headers[] = {{"authorization", value}, {"host", "orders.test"}};
  const engine::Outcome outcome = engine::decide(snapshot, {"GET", "/", headers, {}, 8080}, 1000, {}, nullptr);
  FUZZ_CHECK(!outcome.allow && !outcome.caller);
}

void read_jwks(std::string_view text) {
  auto read = bundle::read_jwks(text);
  if (refused(read)) return;
  const std::string written = bundle::write_jwks(*read);
  const auto again = bundle::read_jwks(written);
  FUZZ_CHECK(again && again->sources.size() == read->sources.size());
  FUZZ_CHECK(bundle::write_jwks(*again) == written);
  FUZZ_CHECK(std::is_permutation(again->providers.begin(), again->providers.end(), read->providers.begin(),
                                 read->providers.end()));
  present_a_token(std::move(*read));
}

void read_fresh(std::string_view text) {
  const auto read = bundle::Fresh::parse(text);
  if (refused(read)) return;
  const auto again = bundle::Fresh::parse(read->to_json());
  FUZZ_CHECK(again && *again == *read);
  bundle::Fresh merged = *read;
  merged.merge(*again);
  FUZZ_CHECK(merged == *read);
}

void read_trust(std::string_view text) {
  const auto read = bundle::Trust::parse(text);
  if (refused(read)) return;
  const auto again = bundle::Trust::parse(read->to_json());
  FUZZ_CHECK(again && again->to_json() == read->to_json());
  FUZZ_CHECK(!read->verifies("manifest", "no signature"));
}

void open_manifest(std::string_view text) {
  static const bundle::SigningKey key = bundle::SigningKey::generate();
  static const bundle::Trust trust{{key.public_key()}, {}};
  const std::string signature = base64_encode(key.sign(text));
  const auto read = bundle::open_manifest(text, signature, trust, kWorkload);
  const std::string changed = std::string(text) + " ";
  FUZZ_CHECK(refused(bundle::open_manifest(changed, signature, trust, kWorkload)));
  FUZZ_CHECK(refused(bundle::open_manifest(text, text, trust, kWorkload)));
  FUZZ_CHECK(refused(bundle::open_fresh(changed, signature, trust)));
  if (refused(read)) return;
  FUZZ_CHECK(read->workload == kWorkload && read->files.size() == std::size(bundle::kFiles));
  for (const bundle::FileEntry& file : read->files) {
    FUZZ_CHECK(std::find(std::begin(bundle::kFiles), std::end(bundle::kFiles), file.name) != std::end(bundle::kFiles));
  }
  FUZZ_CHECK(!bundle::check_files(*read, {}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  read_jwks(text);
  read_fresh(text);
  read_trust(text);
  open_manifest(text);
  return 0;
}
