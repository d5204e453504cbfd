// An HTTPS server on loopback whose answers a test writes byte by byte, also wrong ones.
#pragma once

#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "operator/http/certificate.h"

namespace meshauth::http::testing {

class TlsTestServer {
 public:
  /// One connection after its request's head was read.
  class Connection {
   public:
    std::string head;  ///< request line and headers

    /// False once the client has gone.
    bool write(std::string_view bytes) {
      return bytes.empty() || SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
    }
    /// Waits that long, or until the client or the server goes away; false then.
    bool pause(int milliseconds) {
      pollfd events[] = {{socket_, POLLIN, 0}, {wake_, POLLIN, 0}};
      return poll(events, 2, milliseconds) == 0;
    }

   private:
    friend class TlsTestServer;
    SSL* ssl_ = nullptr;
    int socket_ = -1;
    int wake_ = -1;
  };
  using Handler = std::function<void(Connection&)>;

  TlsTestServer(const Credentials& credentials, Handler handler) : handler_(std::move(handler)) {
    std::signal(SIGPIPE, SIG_IGN);
    context_ = SSL_CTX_new(TLS_server_method());
    must(context_ != nullptr);
    use(credentials);
    must(pipe(wake_) == 0);
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    must(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(listener_, 64) == 0);
    must(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_loop(); });
  }
  ~TlsTestServer() {
    must(write(wake_[1], "x", 1) == 1);  // never read: every poll sees it
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    close(listener_);
    close(wake_[0]);
    close(wake_[1]);
    SSL_CTX_free(context_);
  }
  TlsTestServer(const TlsTestServer&) = delete;
  TlsTestServer& operator=(const TlsTestServer&) = delete;

  std::string url(const std::string& target = "/", const std::string& host = "127.0.0.1") const {
    return "https://" + host + ":" + std::to_string(port_) + target;
  }
  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  static void must(bool good) {
    if (!good) std::abort();
  }

  void use(const Credentials& credentials) {
    BIO* certificate = BIO_new_mem_buf(credentials.certificate.data(), -1);
    BIO* key = BIO_new_mem_buf(credentials.key.data(), -1);
    X509* x509 = PEM_read_bio_X509(certificate, nullptr, nullptr, nullptr);
    EVP_PKEY* pkey = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
    must(SSL_CTX_use_certificate(context_, x509) == 1 && SSL_CTX_use_PrivateKey(context_, pkey) == 1);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    BIO_free(certificate);
    BIO_free(key);
  }

  void accept_loop() {
    for (;;) {
      pollfd events[] = {{listener_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
      if (poll(events, 2, -1) < 0 || events[1].revents != 0) return;
      const int socket = accept(listener_, nullptr, nullptr);
      if (socket < 0) continue;
      ++connections_;
      threads_.emplace_back([this, socket] { serve(socket); });
    }
  }

  void serve(int socket) {
    Connection connection;
    connection.ssl_ = SSL_new(context_);
    connection.socket_ = socket;
    connection.wake_ = wake_[0];
    SSL_set_fd(connection.ssl_, socket);
    if (SSL_accept(connection.ssl_) == 1) {
      char bytes[4096];
      while (connection.head.find("\r\n\r\n") == std::string::npos) {
        const int got = SSL_read(connection.ssl_, bytes, sizeof bytes);
        if (got <= 0) break;
        connection.head.append(bytes, static_cast<std::size_t>(got));
      }
      if (connection.head.find("\r\n\r\n") != std::string::npos) handler_(connection);
      SSL_shutdown(connection.ssl_);
    }
    SSL_free(connection.ssl_);
    close(socket);
  }

  Handler handler_;
  SSL_CTX* context_ = nullptr;
  int listener_ = -1;
  int port_ = 0;
  int wake_[2] = {-1, -1};
  std::atomic<int> connections_{0};
  std::vector<std::thread> threads_;  // grown by acceptor_ alone
  std::thread acceptor_;
};

}  // namespace meshauth::http::testing
