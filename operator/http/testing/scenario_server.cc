#include "operator/http/testing/scenario_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace meshauth::http::testing {
namespace {

constexpr int kPollMilliseconds = 20;

X509* read_certificate(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  must(certificate != nullptr);
  return certificate;
}

SSL_CTX* make_context(const Pki& pki) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  X509* certificate = read_certificate(pki.server.certificate_pem);
  X509* ca = read_certificate(pki.ca_pem);
  BIO* bio = BIO_new_mem_buf(pki.server.key_pem.data(), static_cast<int>(pki.server.key_pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  must(SSL_CTX_use_certificate(context, certificate) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  EVP_PKEY_free(key);
  BIO_free(bio);
  X509_free(ca);
  X509_free(certificate);
  return context;
}

// A blank after each header's colon, which clients put or leave out.
std::string normal(const std::string& request) {
  const std::size_t head = request.find("\r\n\r\n");
  std::string out;
  for (std::size_t at = 0; at < head;) {
    const std::size_t end = request.find("\r\n", at);
    std::string line = request.substr(at, end - at);
    const std::size_t colon = line.find(':');
    if (at > 0 && colon != std::string::npos && line[colon + 1] != ' ') line.insert(colon + 1, " ");
    out += line + "\r\n";
    at = end + 2;
  }
  return out + request.substr(head + 2);
}

}  // namespace

struct ScenarioServer::Connection {
  int socket;
  SSL* ssl;

  Connection(int s, SSL_CTX* context) : socket(s), ssl(context != nullptr ? SSL_new(context) : nullptr) {
    if (ssl != nullptr) SSL_set_fd(ssl, s);
  }
  ~Connection() {
    SSL_free(ssl);
    ::close(socket);
  }
  bool wait_readable(const std::atomic<bool>& stopping) const {
    while (!stopping) {
      if (ssl != nullptr && SSL_pending(ssl) > 0) return true;
      pollfd entry{socket, POLLIN, 0};
      if (::poll(&entry, 1, kPollMilliseconds) > 0) return true;
    }
    return false;
  }
  int read(char* buffer, int size) const {
    return ssl != nullptr ? SSL_read(ssl, buffer, size) : static_cast<int>(::recv(socket, buffer, size, 0));
  }
  bool write(const std::string& bytes) const {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const int size = static_cast<int>(bytes.size() - done);
      const int n = ssl != nullptr ? SSL_write(ssl, bytes.data() + done, size)
                                   : static_cast<int>(::send(socket, bytes.data() + done, size, MSG_NOSIGNAL));
      if (n <= 0) return false;
      done += static_cast<std::size_t>(n);
    }
    return true;
  }
};

ScenarioServer::ScenarioServer(const Pki* tls, std::vector<Step> steps, const char* address)
    : tls_(tls),
      address_(address),
      steps_(std::make_move_iterator(steps.begin()), std::make_move_iterator(steps.end())) {
  std::signal(SIGPIPE, SIG_IGN);  // SSL_write to a client that has gone
  if (tls_ != nullptr) context_ = make_context(*tls_);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in bound{};
  bound.sin_family = AF_INET;
  must(::inet_pton(AF_INET, address, &bound.sin_addr) == 1);
  must(::bind(listener_, reinterpret_cast<sockaddr*>(&bound), sizeof bound) == 0 && ::listen(listener_, 16) == 0);
  socklen_t size = sizeof bound;
  must(::getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &size) == 0);
  port_ = ntohs(bound.sin_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

ScenarioServer::~ScenarioServer() {
  stopping_ = true;
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
  SSL_CTX_free(context_);
}

std::string ScenarioServer::url(std::string host) const {
  if (host.empty()) host = address_;
  return fmt::format("{}://{}:{}", tls_ != nullptr ? "https" : "http", host, port_);
}

void ScenarioServer::accept_loop() {
  while (!stopping_) {
    pollfd entry{listener_, POLLIN, 0};
    if (::poll(&entry, 1, kPollMilliseconds) <= 0) continue;
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    threads_.emplace_back([this, socket] { serve(socket); });  // only this thread touches threads_ until it is joined
  }
}

void ScenarioServer::serve(int socket) {
  Connection connection(socket, context_);
  if (connection.ssl != nullptr) {
    if (SSL_accept(connection.ssl) != 1) {
      ERR_clear_error();
      return;
    }
    X509* peer = SSL_get1_peer_certificate(connection.ssl);
    char subject[256] = "";
    if (peer != nullptr) X509_NAME_oneline(X509_get_subject_name(peer), subject, sizeof subject);
    X509_free(peer);
    const std::lock_guard lock(mutex_);
    client_subject_ = subject;
  }
  std::string data;
  char buffer[16384];
  while (connection.wait_readable(stopping_)) {
    const int n = connection.read(buffer, sizeof buffer);
    if (n <= 0) return;
    data.append(buffer, static_cast<std::size_t>(n));
    const std::size_t head = data.find("\r\n\r\n");
    if (head == std::string::npos) continue;
    std::size_t length = 0;
    if (const std::size_t at = data.find("Content-Length:"); at < head) length = std::stoul(data.substr(at + 15));
    if (data.size() < head + 4 + length) continue;
    if (!answer(connection, normal(data.substr(0, head + 4 + length)))) return;
    data.erase(0, head + 4 + length);
  }
}

// False: the connection is over.
bool ScenarioServer::answer(Connection& connection, const std::string& request) {
  Step step;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    const std::string line = request.substr(0, request.find(" HTTP/"));
    if (steps_.empty() || steps_.front().request != line ||
        request.find(steps_.front().request_contains) == std::string::npos) {
      complaints_.push_back("unexpected: " + request +
                            "(expected: " + (steps_.empty() ? "nothing" : steps_.front().request) + ")");
      changed_.notify_all();
      return false;
    }
    step = std::move(steps_.front());
    steps_.pop_front();
    changed_.notify_all();
  }
  play(connection, step);
  return step.after == Step::After::Finish && !step.silent;
}

void ScenarioServer::play(Connection& connection, const Step& step) {
  if (step.silent) return wait_gone(connection);
  connection.write(
      fmt::format("HTTP/1.1 {} Scenario\r\nTransfer-Encoding: chunked\r\n{}\r\n", step.status, step.extra_head));
  for (const std::string& chunk : step.chunks) {
    if (!connection.write(fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk))) break;
  }
  if (step.after == Step::After::Finish) connection.write("0\r\n\r\n");
  if (step.after == Step::After::Hang) wait_gone(connection);
}

void ScenarioServer::wait_gone(Connection& connection) {
  char buffer[256];
  while (connection.wait_readable(stopping_)) {
    if (connection.read(buffer, sizeof buffer) > 0) continue;
    const std::lock_guard lock(mutex_);
    client_gone_ = true;
    changed_.notify_all();
    return;
  }
}

std::string ScenarioServer::complaints() {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const std::string& complaint : complaints_) out += complaint + "\n";
  for (const Step& step : steps_) out += "missing: " + step.request + "\n";
  return out;
}

bool ScenarioServer::wait_client_gone(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] { return client_gone_; });
}

std::vector<std::string> ScenarioServer::requests() {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::string ScenarioServer::client_subject() {
  const std::lock_guard lock(mutex_);
  return client_subject_;
}

}  // namespace meshauth::http::testing
