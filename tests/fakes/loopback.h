#pragma once
// Peers on 127.0.0.1 that do exactly what a test says, byte for byte, well-behaved or not. Every wait ends after 10 seconds.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace penstock::fakes {

// A connected socket.
class Wire {
 public:
  explicit Wire(int fd) : fd_(fd) {
    const timeval limit{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  static Wire connect(int port) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) throw std::runtime_error("no connection");
    return Wire(fd);
  }
  Wire(Wire&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Wire& operator=(Wire&&) = delete;
  ~Wire() { close(); }

  // False when the peer takes no more.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // Until `end` was seen (it stays in the result), or the peer closed.
  std::string read_until(std::string_view end) {
    while (seen_.find(end) == std::string::npos && receive()) {}
    const auto at = seen_.find(end);
    std::string out = seen_.substr(0, at == std::string::npos ? at : at + end.size());
    seen_.erase(0, out.size());
    return out;
  }
  std::string read_to_end() {
    while (receive()) {}
    return std::exchange(seen_, {});
  }
  // One HTTP message with a Content-Length, or what there was of it.
  std::string read_message() {
    std::string head = read_until("\r\n\r\n");
    const auto at = head.find("Content-Length: ");
    const std::size_t size = at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
    while (seen_.size() < size && receive()) {}
    head += seen_.substr(0, size);
    seen_.erase(0, std::min(size, seen_.size()));
    return head;
  }
  bool closed_by_peer() { return read_to_end().empty(); }
  int descriptor() const { return fd_; }
  void finish_sending() { shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  // The peer gets a reset instead of an end.
  void reset() {
    const linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }

 private:
  bool receive() {
    char some[4096];
    const auto size = recv(fd_, some, sizeof some, 0);
    if (size <= 0) return false;
    seen_.append(some, static_cast<std::size_t>(size));
    return true;
  }
  int fd_;
  std::string seen_;
};

// Listens, and plays `script` with each connection, one after another.
class Peer {
 public:
  explicit Peer(std::function<void(Wire)> script) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (bind(fd_, reinterpret_cast<sockaddr*>(&at), size) != 0 || listen(fd_, 16) != 0 ||
        getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
      throw std::runtime_error("cannot listen");
    }
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this, script = std::move(script)] {
      for (int fd = accept(fd_, nullptr, nullptr); fd >= 0; fd = accept(fd_, nullptr, nullptr)) script(Wire(fd));
    });
  }
  ~Peer() {
    shutdown(fd_, SHUT_RDWR);  // ends accept
    thread_.join();
    ::close(fd_);
  }
  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  int fd_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace penstock::fakes
