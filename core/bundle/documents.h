// jwks.json and fresh.json: what the operator writes and a checkpoint reads.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/provider.h"
#include "core/base/result.h"
#include "core/bundle/keys.h"
#include "core/jose/key_set.h"

namespace meshauth::bundle {

/// jwks.json: {"providers":[settings...],"sources":{id:{"keys":[...],"ambiguousKids":[...]}}}.
struct JwksFile {
  std::vector<ProviderSettings> providers;      ///< by id
  std::map<std::string, jose::KeySet> sources;  ///< by key source id
};

/// Deterministic.
std::string write_jwks(const JwksFile& file);
Result<JwksFile> read_jwks(std::string_view json);

/// fresh.json: {"sources":{id: unix seconds of the last good fetch}}. Not part of the revision.
struct Fresh {
  std::map<std::string, std::int64_t> sources;

  std::string to_json() const;
  static Result<Fresh> parse(std::string_view json);
  /// Per source the newest wins.
  void merge(const Fresh& other);
  friend bool operator==(const Fresh&, const Fresh&) = default;
};

/// fresh.json only counts with a signature of a trusted key.
Result<Fresh> open_fresh(std::string_view json, std::string_view signature_base64, const Trust& trust);

}  // namespace meshauth::bundle
