// What a verification costs where nothing else is done: EVP_DigestVerify of each token of a file, with one key.
//
//   bench_verify KEY.pem TOKENS   prints the time on the core for one, in nanoseconds
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <time.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "core/base/base64.h"

namespace {

struct Signed {
  std::string text, signature;
};

double core_nanoseconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

bool verify(EVP_PKEY* key, const Signed& token) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const auto bytes = [](const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); };
  return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), bytes(token.signature), token.signature.size(), bytes(token.text),
                          token.text.size()) == 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  FILE* file = std::fopen(argv[1], "r");
  if (file == nullptr) return 2;
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(PEM_read_PUBKEY(file, nullptr, nullptr, nullptr),
                                                                &EVP_PKEY_free);
  static_cast<void>(std::fclose(file));
  std::vector<Signed> tokens;
  std::ifstream lines(argv[2]);
  for (std::string line; std::getline(lines, line);) {
    const auto dot = line.rfind('.');
    const auto signature = meshauth::base64url_decode(std::string_view(line).substr(dot + 1));
    if (!signature) return 2;
    tokens.push_back({line.substr(0, dot), *signature});
  }
  if (!key || tokens.empty()) return 2;
  const double begin = core_nanoseconds();
  for (const Signed& token : tokens) {
    if (!verify(key.get(), token)) return 1;
  }
  std::printf("%.1f\n", (core_nanoseconds() - begin) / static_cast<double>(tokens.size()));
}
