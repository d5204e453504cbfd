#include "operator/kube/credentials.h"

#include "operator/kube/read_file.h"

namespace meshauth::kube {
namespace {

constexpr std::size_t kMaxCredentialBytes = std::size_t{1} << 20;
constexpr std::chrono::minutes kReadAgainAfter{1};

class FixedCredentials : public Credentials {
 public:
  explicit FixedCredentials(Auth auth) : auth_(std::move(auth)) {}
  Result<Auth> get() override { return auth_; }
  bool refused() override { return false; }

 private:
  const Auth auth_;
};

std::string trimmed(std::string text) {
  const auto blank = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!text.empty() && blank(text.back())) text.pop_back();
  std::size_t start = 0;
  while (start < text.size() && blank(text[start])) ++start;
  return text.substr(start);
}

class FileCredentials : public Credentials {
 public:
  FileCredentials(AuthFiles files, Auth rest, Clock& clock)
      : files_(std::move(files)), clock_(clock), auth_(std::move(rest)) {}

  Result<Auth> get() override {
    const std::lock_guard lock(mutex_);
    if (have_ && clock_.now() < read_at_ + kReadAgainAfter) return auth_;
    Auth fresh = auth_;
    const Status read = read_all(fresh);
    if (!read && !have_) return tl::unexpected(read.error());
    if (read) auth_ = std::move(fresh);
    have_ = true;
    read_at_ = clock_.now();
    return auth_;
  }

  bool refused() override {
    const std::lock_guard lock(mutex_);
    Auth fresh = auth_;
    if (!read_all(fresh) || fresh == auth_) return false;
    auth_ = std::move(fresh);
    return true;
  }

 private:
  static Status read_into(const std::string& path, std::string_view what, std::string& out) {
    if (path.empty()) return {};
    auto content = read_file(path, kMaxCredentialBytes);
    if (!content) return fail("{}: {}", what, content.error().message);
    out = std::move(*content);
    return {};
  }
  Status read_all(Auth& auth) const {
    if (auto read = read_into(files_.token_path, "the token file", auth.bearer); !read) return read;
    auth.bearer = trimmed(std::move(auth.bearer));
    if (auto read = read_into(files_.certificate_path, "the client certificate", auth.certificate_pem); !read)
      return read;
    return read_into(files_.key_path, "the client key", auth.key_pem);
  }

  const AuthFiles files_;
  Clock& clock_;
  std::mutex mutex_;
  // All below: guarded by mutex_.
  Auth auth_;
  bool have_ = false;
  Clock::Time read_at_{};
};

}  // namespace

std::shared_ptr<Credentials> fixed_credentials(Auth auth) {
  return std::make_shared<FixedCredentials>(std::move(auth));
}

std::shared_ptr<Credentials> file_credentials(AuthFiles files, Auth rest, Clock& clock) {
  return std::make_shared<FileCredentials>(std::move(files), std::move(rest), clock);
}

}  // namespace meshauth::kube
