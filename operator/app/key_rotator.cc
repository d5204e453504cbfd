#include "operator/app/key_rotator.h"

#include <algorithm>
#include <condition_variable>
#include <nlohmann/json.hpp>

#include "core/base/base64.h"
#include "core/base/digest.h"
#include "core/base/duration.h"
#include "operator/app/cluster_keys.h"
#include "operator/log/log.h"

namespace meshauth::app {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr auto kLookSteady = 5s;    // for a request in an annotation
constexpr auto kLookRotating = 1s;  // for who has confirmed
constexpr auto kNudgeAfter = 2s;    // a sidecar that is connected and whose volume is up to date has said so by then
constexpr auto kNudgeAgain = 20s;
constexpr std::size_t kMostNudged = 200;  // in that time, at ten a second; the others' nodes look by themselves
constexpr auto kSayAfter = 10s;

std::chrono::sys_seconds wall_clock() {
  return std::chrono::floor<Seconds>(std::chrono::system_clock::now());
}

bool holds(const std::vector<std::string>& digests, const std::string& wanted) {
  return std::find(digests.begin(), digests.end(), wanted) != digests.end();
}

/// The Secret as it is to be: our names alone are changed.
json with_keys(json secret, const MeshKeys& keys) {
  json& data = secret["data"];
  if (!data.is_object()) data = json::object();
  for (const std::string& name : MeshKeys::names()) data.erase(name);
  for (const auto& [name, content] : keys.to_files()) data[name] = base64_encode(content);
  return secret;
}

void annotate(json& secret, std::string_view name, const std::string& value) {
  json& annotations = secret["metadata"]["annotations"];
  if (!annotations.is_object()) annotations = json::object();
  if (value.empty()) {
    annotations.erase(std::string(name));
  } else {
    annotations[std::string(name)] = value;
  }
}

std::chrono::sys_seconds signing_made(const json& secret) {
  for (const std::string& text :
       {kube::annotation(secret, kSigningMadeAnnotation), kube::metadata(secret, "creationTimestamp")}) {
    if (const auto time = parse_time(text)) return *time;
  }
  return wall_clock();
}

/// What a step means, for a person.
std::string meaning(MeshKey key, KeyStep step) {
  const std::string what = key == MeshKey::Signing ? "signing key" : "certificate authority";
  switch (step) {
    case KeyStep::Announce:
      return "a next " + what + " was made; every sidecar is to trust it, too";
    case KeyStep::Switch:
      return "the next " + what + " is in use; the one before stays trusted for the overlap";
    case KeyStep::Retire:
      return "the " + what + " before is not trusted any more";
    case KeyStep::None:
      break;
  }
  return "";
}

const char* event_reason(KeyStep step) {
  return step == KeyStep::Announce ? "KeyAnnounced" : step == KeyStep::Switch ? "KeySwitched" : "KeyRetired";
}

}  // namespace

KeyRotator::KeyRotator(const Options& options, MeshKeys keys, Parts parts)
    : options_(options), parts_(parts), keys_(std::move(keys)), key_metrics_(parts.metrics) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

KeyRotator::~KeyRotator() {
  thread_ = {};
}

bool KeyRotator::rotating() const {
  return std::any_of(std::begin(kMeshKeys), std::end(kMeshKeys),
                     [&](MeshKey key) { return keys_.phase(key) != KeyPhase::Steady; });
}

void KeyRotator::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  for (const MeshKey key : kMeshKeys) {
    if (keys_.phase(key) == KeyPhase::Steady) continue;
    log::info("key rotation goes on", {{"key", to_string(key)}, {"phase", to_string(keys_.phase(key))}});
  }
  while (!stop.stop_requested()) {
    complain(look(stop));
    wake.wait_for(lock, stop, rotating() ? kLookRotating : kLookSteady, [] { return false; });
  }
}

std::string KeyRotator::look(const std::stop_token& stop) {
  unpublished_ = parts_.recorder.publish_trust();
  const auto found = parts_.api.get(kube::kSecrets, options_.ns, kKeysSecret, stop);
  if (stop.stop_requested()) return complained_;
  if (!found) return "it cannot be read: " + found.error().message;
  const json& secret = **found;
  if (auto trouble = take(secret); !trouble.empty()) return trouble;
  const auto asked = parse_request(kube::annotation(secret, kRotateAnnotation));
  auto order = std::to_array(kMeshKeys);
  if (last_step_ == order.front()) std::reverse(order.begin(), order.end());  // nobody waits for ever
  for (const MeshKey key : order) {
    const KeyFacts now = facts(key, secret, asked.value_or(std::vector<MeshKey>()));
    key_metrics_.set_phase(key, now.phase);
    key_metrics_.set_waiting(key, now.waiting.size());
    const KeyDecision decision = decide(now, times(key));
    // The Secret is another one after a step: the other key's turn is the next look.
    if (decision.step != KeyStep::None) {
      last_step_ = key;
      return carry_out(key, decision, secret, now.waiting, stop);
    }
    if (!now.waiting.empty()) nudge(key, now.waiting);
  }
  return asked ? "" : asked.error().message;
}

std::string KeyRotator::take(const json& secret) {
  const auto read = keys_of_secret(secret);
  if (!read) return read.error().message + "; the keys in use go on";
  const auto files = read->to_files();
  uid_ = kube::metadata(secret, "uid");
  if (tried_ && files == tried_->keys.to_files()) {  // it was written, only the answer was lost
    keys_ = tried_->keys;
    const auto [key, step] = std::pair(tried_->key, tried_->step);
    tried_.reset();
    follow(key, step);
  }
  if (files == keys_.to_files()) return "";
  return "its keys were changed by somebody else: those in use go on; restart the operator to take it as it is";
}

/// An authority may have been made for a shorter time than the flag says now.
KeyTimes KeyRotator::times(MeshKey key) const {
  if (key == MeshKey::Signing) return options_.keys.signing;
  KeyTimes times = options_.keys.authority;
  const std::string& certificate = keys_.authority.certificate_pem;
  const auto made = fleet::issued_at(certificate);
  const auto until = fleet::valid_until(certificate);
  if (made && until) times.lifetime = std::min<Seconds>(times.lifetime, *until - *made);
  return times;
}

KeyFacts KeyRotator::facts(MeshKey key, const json& secret, const std::vector<MeshKey>& asked) const {
  KeyFacts facts;
  facts.phase = keys_.phase(key);
  const auto now = wall_clock();
  const std::string& certificate = keys_.authority.certificate_pem;
  const auto made = key == MeshKey::Signing ? signing_made(secret) : fleet::issued_at(certificate).value_or(now);
  const auto lifetime =
      key == MeshKey::Signing ? options_.keys.signing.lifetime : fleet::valid_until(certificate).value_or(now) - made;
  if (lifetime.count() > 0) set_not_after(parts_.metrics, std::string(to_string(key)), made + lifetime);
  facts.age = now - made;
  facts.asked = std::find(asked.begin(), asked.end(), key) != asked.end();
  facts.in_phase = std::chrono::floor<Seconds>(Steady::now() - progress(key).since);
  if (facts.phase == KeyPhase::Steady) return facts;
  for (const std::string& trouble : unpublished_) facts.waiting.push_back(trouble);
  key == MeshKey::Signing ? wait_for_signing(facts.waiting) : wait_for_authority(facts.waiting);
  return facts;
}

void KeyRotator::wait_for_signing(std::vector<std::string>& out) const {
  const bool announced = keys_.next_signing.has_value();
  const std::string digest = sha256_hex(announced ? keys_.next_signing->public_key() : keys_.signing.public_key());
  for (const auto& [pod, said] : parts_.runtime.controllers().sidecar_trust()) {
    const bool waits = announced ? !said || !holds(said->signing_keys, digest)
                                 : said && !said->signed_by.empty() && said->signed_by != digest;
    if (waits) out.push_back(std::string(kPodPrefix) + pod);
  }
  if (announced) return;
  for (const std::string& workload : parts_.runtime.controllers().unrecorded()) out.push_back("record " + workload);
}

void KeyRotator::wait_for_authority(std::vector<std::string>& out) const {
  if (keys_.next_authority) {
    const std::string digest = sha256_hex(keys_.next_authority->certificate_pem);
    for (const auto& [pod, said] : parts_.runtime.controllers().sidecar_trust()) {
      if (!said || !holds(said->authorities, digest)) out.push_back(std::string(kPodPrefix) + pod);
    }
  } else if (!parts_.runtime.certified_by(keys_.authority)) {
    out.emplace_back("the fleet's certificate");
  }
  if (parts_.injector != nullptr && !parts_.injector->follows(keys_)) out.emplace_back("the webhook's configuration");
}

std::string KeyRotator::carry_out(MeshKey key, KeyDecision decision, const json& secret,
                                  const std::vector<std::string>& waiting, const std::stop_token& stop) {
  MeshKeys next = keys_;
  json annotated = secret;
  if (decision.step == KeyStep::Announce) {
    const auto made = next.announce(key, wall_clock(), options_.keys.authority.lifetime);
    if (!made) return made.error().message;
    annotate(annotated, kRotateAnnotation, rest_of_request(kube::annotation(secret, kRotateAnnotation), key));
  } else if (decision.step == KeyStep::Switch) {
    next.switch_over(key);
    if (key == MeshKey::Signing) annotate(annotated, kSigningMadeAnnotation, format_time(wall_clock()));
  } else {
    next.retire(key);
  }
  tried_ = Tried{next, key, decision.step};
  const auto written = parts_.api.replace(kube::kSecrets, with_keys(std::move(annotated), next), stop);
  if (!written) {
    if (stop.stop_requested()) return complained_;
    if (!written.error().conflict()) return "it cannot be written: " + written.error().message;
    tried_.reset();  // somebody was quicker: look again
    return complained_;
  }
  keys_ = std::move(next);
  tried_.reset();
  follow(key, decision.step);
  tell(key, decision, waiting);
  return "";
}

void KeyRotator::follow(MeshKey key, KeyStep step) {
  parts_.recorder.set_trust(keys_.trust());
  unpublished_ = parts_.recorder.publish_trust();
  if (key == MeshKey::Authority) {
    if (parts_.injector != nullptr) parts_.injector->set_authorities(keys_);
    if (step == KeyStep::Switch) parts_.runtime.set_authority(keys_.authority);
  } else if (step == KeyStep::Switch) {
    parts_.runtime.controllers().set_signing_key(keys_.signing);
  }
  progress(key) = {};
  key_metrics_.set_phase(key, keys_.phase(key));
}

void KeyRotator::tell(MeshKey key, KeyDecision decision, const std::vector<std::string>& waiting) {
  if (decision.step == KeyStep::Switch) key_metrics_.count_switch(key, decision.forced);
  std::string message = meaning(key, decision.step);
  if (decision.forced) {
    message += fmt::format("; time was up before {} did: {}",
                           decision.step == KeyStep::Switch
                               ? "all trusted it (what it signs is refused there, the last good bundle goes on)"
                               : "all had what the next one signed",
                           some_of(waiting));
  }
  const log::Fields fields{{"key", to_string(key)},
                           {"phase", to_string(keys_.phase(key))},
                           {"forced", decision.forced},
                           {"message", message}};
  decision.forced ? log::warning("key rotation", fields) : log::info("key rotation", fields);
  const auto type = decision.forced ? kube::EventRecorder::Type::Warning : kube::EventRecorder::Type::Normal;
  parts_.events.emit({"v1", "Secret", options_.ns, std::string(kKeysSecret), uid_, ""}, type,
                     event_reason(decision.step), message);
}

/// Who has not confirmed may have the old files still: its node looks at them at once when the pod is touched.
void KeyRotator::nudge(MeshKey key, const std::vector<std::string>& waiting) {
  Progress& now = progress(key);
  const auto time = Steady::now();
  if (time - now.since >= kSayAfter && !std::exchange(now.said, true)) {
    log::info("key rotation waits", {{"key", to_string(key)},
                                     {"phase", to_string(keys_.phase(key))},
                                     {"waiting", waiting.size()},
                                     {"message", some_of(waiting)}});
  }
  if (time - now.since < kNudgeAfter || time - now.nudged < kNudgeAgain) return;
  now.nudged = time;
  const std::string mark =
      sha256_hex(keys_.trust().to_json() + std::to_string(time.time_since_epoch().count()));  // another one each time
  std::size_t left = kMostNudged;
  for (const std::string& name : waiting) {
    if (!name.starts_with(kPodPrefix) || left == 0) continue;
    parts_.recorder.touch(name.substr(kPodPrefix.size()), mark);
    --left;
  }
}

void KeyRotator::complain(const std::string& what) {
  if (what != complained_ && !what.empty()) {
    log::warning("keys are not replaced", {{"object", options_.ns + "/" + std::string(kKeysSecret)}, {"error", what}});
    parts_.events.emit({"v1", "Secret", options_.ns, std::string(kKeysSecret), uid_, ""},
                       kube::EventRecorder::Type::Warning, "KeyRotationBlocked", what);
  }
  complained_ = what;
}

}  // namespace meshauth::app
