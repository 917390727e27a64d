// Certificates: who is believed, and what is said of the others.

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <future>

#include "pipeline/http/curl_client.h"
#include "tests/fakes/loopback.h"

using namespace penstock;
using namespace penstock::http;

namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;

Key new_key() { return Key(EVP_EC_gen("P-256")); }

// For 127.0.0.1, signed by itself.
Certificate self_signed(EVP_PKEY* key) {
  Certificate made(X509_new());
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key);
  auto* name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  const std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>> address(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1"));
  X509_add_ext(made.get(), address.get(), -1);
  X509_sign(made.get(), key, EVP_sha256());
  return made;
}

// Accepts one TLS connection after another and answers each with 200.
class TlsPeer {
 public:
  TlsPeer() : key_(new_key()), certificate_(self_signed(key_.get())), context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_use_certificate(context_.get(), certificate_.get());
    SSL_CTX_use_PrivateKey(context_.get(), key_.get());
  }
  int port() const { return peer_.port(); }
  std::string certificate_file() const {
    const auto path = std::filesystem::temp_directory_path() / ("penstock_tls_" + std::to_string(port()) + ".pem");
    const std::unique_ptr<std::FILE, Freed<std::fclose>> file(std::fopen(path.c_str(), "w"));
    PEM_write_X509(file.get(), certificate_.get());
    return path;
  }

 private:
  void serve(const fakes::Wire& wire) const {
    sigset_t broken_pipe;  // OpenSSL writes to clients that hung up, and would end the test with it
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    const std::unique_ptr<SSL, Freed<SSL_free>> tls(SSL_new(context_.get()));
    SSL_set_fd(tls.get(), wire.descriptor());
    if (SSL_accept(tls.get()) != 1) return;
    char request[4096];
    if (SSL_read(tls.get(), request, sizeof request) <= 0) return;
    constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    SSL_write(tls.get(), kAnswer.data(), static_cast<int>(kAnswer.size()));
    SSL_shutdown(tls.get());
  }

  Key key_;
  Certificate certificate_;
  std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context_;
  fakes::Peer peer_{[this](fakes::Wire wire) { serve(wire); }};  // last: its thread uses the others
};

Result<HttpReply> ask(const std::string& url, std::string ca_file) {
  const auto http = *CurlClient::start({.ca_file = std::move(ca_file)});
  std::promise<Result<HttpReply>> promise;
  auto reply = promise.get_future();
  http->send({.method = "GET", .url = url}, [&](Result<HttpReply> got) { promise.set_value(std::move(got)); });
  return reply.get();
}

}  // namespace

TEST_CASE("a certificate that nobody vouches for is refused, by name and without the path") {
  const TlsPeer peer;
  const auto host = "127.0.0.1:" + std::to_string(peer.port());
  const auto reply = ask("https://" + host + "/secret", "");
  REQUIRE(!reply.has_value());
  CHECK(reply.error().kind == ErrorKind::unavailable);
  CHECK(reply.error().message.starts_with(host + " failed TLS: "));
  CHECK(reply.error().message.contains("self-signed certificate"));
  CHECK_FALSE(reply.error().message.contains("secret"));
}

TEST_CASE("a certificate of the file given is believed, for its own address only") {
  const TlsPeer peer;
  const auto file = peer.certificate_file();
  const auto port = std::to_string(peer.port());
  const auto good = ask("https://127.0.0.1:" + port + "/", file);
  REQUIRE_MESSAGE(good.has_value(), (good ? "" : good.error().message));
  CHECK(good->body == "ok");
  const auto other = ask("https://localhost:" + port + "/", file);
  CHECK_FALSE(other.has_value());
  std::filesystem::remove(file);
}
