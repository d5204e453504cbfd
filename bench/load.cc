// Load for several proxies in turn: a slice of requests to the first, to the second, ..., again and again, so that what
// the machine does meanwhile falls on all alike. The application behind them is here too, and nothing here ever sleeps
// while they work: whether a core sleeps that a proxy sends to costs the proxy microseconds, and a slower one would let
// it sleep more often.
//
//   bench_load APPLICATION TOKENS TARGET REQUESTS SLICE PORT...
//
// APPLICATION: the port of 127.0.0.1 on which it answers. TARGET is asked for, "#" in it being the request's number.
// REQUESTS go to each PORT there, each with the next token of the file, over connections of that proxy's own, which are
// kept. Ends with 0 if every answer was 2xx. KEY.pem@CORE in place of a port: the tokens' signatures are verified here,
// on that core, by OpenSSL alone (EVP_DigestVerify); printed are the nanoseconds on the core for one.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sched.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/base64.h"

namespace {

constexpr std::size_t kConnections = 16;
constexpr auto kPatience = std::chrono::seconds(30);  // for one answer

/// What is asked, slice by slice.
class Target {
 public:
  Target() = default;
  virtual ~Target() = default;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  virtual void run(std::size_t count) = 0;  ///< for the next tokens; returns when all is done
  virtual void say() const {}
};

std::vector<std::string> lines_of(const char* file) {
  std::vector<std::string> out;
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) out.push_back(line);
  if (out.empty()) throw std::runtime_error(std::string("no tokens in ") + file);
  return out;
}

/// The length of the answer at the front of `text`, which must be 2xx with a Content-Length; 0: not all of it is there.
std::size_t answer_length(std::string_view text) {
  constexpr std::string_view kEnd = "\r\n\r\n", kLength = "content-length:";
  const auto end = text.find(kEnd);
  if (end == std::string_view::npos) return 0;
  if (!text.starts_with("HTTP/1.1 2"))
    throw std::runtime_error("answered " + std::string(text.substr(0, text.find('\r'))));
  for (auto at = text.find("\r\n"); at < end; at = text.find("\r\n", at + 2)) {
    const std::string_view line = text.substr(at + 2, kLength.size());
    if (line.size() != kLength.size() || ::strncasecmp(line.data(), kLength.data(), kLength.size()) != 0) continue;
    const std::size_t whole = end + kEnd.size() + std::strtoul(text.data() + at + 2 + kLength.size(), nullptr, 10);
    return text.size() < whole ? 0 : whole;
  }
  throw std::runtime_error("an answer without Content-Length");
}

/// A socket that is looked at again and again.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    if (fd_ < 0) throw std::runtime_error(std::string("no socket: ") + std::strerror(errno));
  }
  virtual ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  virtual void ready() = 0;  ///< there is something to read
  int fd() const { return fd_; }

 protected:
  /// Appends what has come; false: the other side has closed.
  bool read(std::string& text) const {
    char buffer[16384];
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
    return got > 0;
  }
  void write(std::string_view text) const {
    if (::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
      throw std::runtime_error("a message could not be sent whole");
  }
  void set(int level, int option) const {
    const int on = 1;
    if (::setsockopt(fd_, level, option, &on, sizeof on) != 0) throw std::runtime_error("setsockopt failed");
  }

 private:
  int fd_;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

class Loop {
 public:
  void add(Socket& socket) const {
    epoll_event event{EPOLLIN, {.ptr = &socket}};
    if (::epoll_ctl(fd_, EPOLL_CTL_ADD, socket.fd(), &event) != 0) throw std::runtime_error("epoll_ctl failed");
  }
  /// Whoever is ready now; waits for nobody.
  bool turn() const {
    epoll_event events[64];
    const int count = ::epoll_wait(fd_, events, 64, 0);
    for (int i = 0; i < count; ++i) static_cast<Socket*>(events[i].data.ptr)->ready();
    return count > 0;
  }

 private:
  int fd_ = ::epoll_create1(EPOLL_CLOEXEC);
};

/// What a proxy asks the application over one connection: requests without a body.
class Served : public Socket {
 public:
  Served(int fd, std::vector<const Served*>& closed) : Socket(fd), closed_(closed) { set(IPPROTO_TCP, TCP_NODELAY); }
  void ready() override {
    if (!read(text_)) return closed_.push_back(this);
    constexpr std::string_view kEnd = "\r\n\r\n";
    for (auto end = text_.find(kEnd); end != std::string::npos; end = text_.find(kEnd)) {
      write("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
      text_.erase(0, end + kEnd.size());
    }
  }

 private:
  std::vector<const Served*>& closed_;  // a connection at its end puts itself here
  std::string text_;
};

class Application : public Socket {
 public:
  Application(Loop& loop, std::uint16_t port) : Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), loop_(loop) {
    const sockaddr_in at = loopback(port);
    set(SOL_SOCKET, SO_REUSEADDR);
    if (::bind(fd(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || ::listen(fd(), SOMAXCONN) != 0)
      throw std::runtime_error("cannot listen on port " + std::to_string(port));
    loop_.add(*this);
  }
  void ready() override {
    served_.push_back(std::make_unique<Served>(::accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC), closed_));
    loop_.add(*served_.back());
  }
  void end_closed() {
    for (const Served* each : std::exchange(closed_, {}))
      std::erase_if(served_, [&](const auto& other) { return other.get() == each; });
  }

 private:
  Loop& loop_;
  std::vector<const Served*> closed_;
  std::vector<std::unique_ptr<Served>> served_;
};

class Proxy;

/// One connection to a proxy.
class Asking : public Socket {
 public:
  Asking(Proxy& proxy, std::uint16_t port) : Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), proxy_(proxy) {
    const sockaddr_in to = loopback(port);
    if (::connect(fd(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
      throw std::runtime_error("cannot connect to port " + std::to_string(port));
    set(IPPROTO_TCP, TCP_NODELAY);
  }
  void ask(const std::string& request) {
    answer_.clear();
    write(request);
  }
  void ready() override;

 private:
  Proxy& proxy_;
  std::string answer_;
};

class Proxy : public Target {
 public:
  Proxy(const Loop& loop, Application& application, const std::vector<std::string>& tokens, const std::string& target,
        std::uint16_t port)
      : loop_(loop), application_(application) {
    const auto number = target.find('#');
    before_ = "GET " + target.substr(0, number);
    is_numbered_ = number != std::string::npos;
    const std::string after = is_numbered_ ? target.substr(number + 1) : "";
    for (const std::string& token : tokens)
      after_.push_back(after + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\n\r\n");
    for (std::size_t i = 0; i < kConnections; ++i) {
      connections_.push_back(std::make_unique<Asking>(*this, port));
      loop_.add(*connections_.back());
    }
  }

  void run(std::size_t count) override {
    left_ = waiting_ = count;
    for (auto& connection : connections_) next(*connection);
    auto heard = std::chrono::steady_clock::now();
    while (waiting_ > 0) {
      application_.end_closed();
      if (loop_.turn()) {
        heard = std::chrono::steady_clock::now();
      } else if (std::chrono::steady_clock::now() - heard > kPatience) {
        throw std::runtime_error("no answer came");
      }
    }
  }

  void answered(Asking& connection) {
    --waiting_;
    next(connection);
  }

 private:
  void next(Asking& connection) {
    if (left_ == 0) return;
    --left_;
    const std::size_t number = next_++;
    connection.ask(before_ + (is_numbered_ ? std::to_string(number) : "") + after_[number % after_.size()]);
  }

  const Loop& loop_;
  Application& application_;
  std::string before_;
  bool is_numbered_ = false;
  std::vector<std::string> after_;  // what follows the number, with each token
  std::vector<std::unique_ptr<Asking>> connections_;
  std::size_t next_ = 0, left_ = 0, waiting_ = 0;
};

void Asking::ready() {
  if (!read(answer_)) throw std::runtime_error("a connection ended before its answer");
  if (answer_length(answer_) != 0) proxy_.answered(*this);
}

class BareVerify : public Target {
 public:
  BareVerify(const std::vector<std::string>& tokens, const std::string& key_file, int core) : core_(core) {
    FILE* file = std::fopen(key_file.c_str(), "r");
    if (file == nullptr) throw std::runtime_error("cannot read " + key_file);
    key_.reset(PEM_read_PUBKEY(file, nullptr, nullptr, nullptr));
    static_cast<void>(std::fclose(file));
    if (!key_) throw std::runtime_error("no public key in " + key_file);
    for (const std::string& token : tokens) {
      const auto dot = token.rfind('.');
      const auto signature = meshauth::base64url_decode(std::string_view(token).substr(dot + 1));
      if (!signature) throw std::runtime_error("a token's signature is no base64url");
      tokens_.push_back({token.substr(0, dot), *signature});
    }
  }

  void run(std::size_t count) override {
    std::thread([&] { verify_on_core(count); }).join();
    if (failed_) throw std::runtime_error("a signature does not verify, or the core is not to be had");
  }

  void say() const override { std::printf("%.1f\n", nanoseconds_ / static_cast<double>(next_)); }

 private:
  struct Signed {
    std::string text, signature;
  };

  static double thread_nanoseconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
  }

  void verify_on_core(std::size_t count) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(static_cast<std::size_t>(core_), &cores);
    failed_ = failed_ || ::sched_setaffinity(0, sizeof cores, &cores) != 0;
    const double begin = thread_nanoseconds();
    for (; count > 0; --count) failed_ = failed_ || !verify(tokens_[next_++ % tokens_.size()]);
    nanoseconds_ += thread_nanoseconds() - begin;
  }

  bool verify(const Signed& token) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    const auto bytes = [](const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); };
    return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
           EVP_DigestVerify(context.get(), bytes(token.signature), token.signature.size(), bytes(token.text),
                            token.text.size()) == 1;
  }

  int core_;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_{nullptr, &EVP_PKEY_free};
  std::vector<Signed> tokens_;
  std::size_t next_ = 0;
  double nanoseconds_ = 0;
  bool failed_ = false;
};

void run(char** argv) {
  Loop loop;
  Application application(loop, static_cast<std::uint16_t>(std::atoi(argv[1])));
  const auto tokens = lines_of(argv[2]);
  const std::size_t total = std::strtoul(argv[4], nullptr, 10), slice = std::strtoul(argv[5], nullptr, 10);
  if (total == 0 || slice == 0) throw std::runtime_error("REQUESTS and SLICE are numbers above 0");
  std::vector<std::unique_ptr<Target>> targets;
  for (char** at = argv + 6; *at != nullptr; ++at) {
    const std::string text = *at;
    if (const auto core = text.rfind('@'); core != std::string::npos) {
      targets.push_back(std::make_unique<BareVerify>(tokens, text.substr(0, core), std::atoi(*at + core + 1)));
    } else {
      targets.push_back(
          std::make_unique<Proxy>(loop, application, tokens, argv[3], static_cast<std::uint16_t>(std::atoi(*at))));
    }
  }
  for (std::size_t sent = 0, turn = 0; sent < total; sent += slice, ++turn) {
    for (std::size_t i = 0; i < targets.size(); ++i)
      targets[(turn + i) % targets.size()]->run(std::min(slice, total - sent));
  }
  for (const auto& each : targets) each->say();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    static_cast<void>(
        std::fputs("usage: bench_load APPLICATION TOKENS TARGET REQUESTS SLICE PORT|KEY.pem@CORE...\n", stderr));
    return 2;
  }
  try {
    run(argv);
  } catch (const std::exception& error) {
    static_cast<void>(std::fprintf(stderr, "bench_load: %s\n", error.what()));
    return 1;
  }
}
