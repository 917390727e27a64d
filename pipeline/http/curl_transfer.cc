#include "pipeline/http/curl_transfer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "pipeline/base/check.h"

namespace penstock::http {
namespace {

constexpr std::size_t kHeaderBytesMax = (64_KiB).count;

std::string url_part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

std::string spell(Duration wait) {
  return wait.count() % 1000 == 0 ? fmt::format("{}s", wait.count() / 1000) : fmt::format("{}ms", wait.count());
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return out;
}

std::size_t on_body(const char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const auto room = static_cast<std::size_t>(transfer.request.answer_max.count) - transfer.reply.body.size();
  transfer.reply.body.append(data, std::min(size, room));
  if (size <= room) return size;
  transfer.reply.truncated = true;  // returning less than `size` ends the transfer
  return 0;
}

std::size_t on_header(const char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.header_bytes += size;
  if (transfer.header_bytes > kHeaderBytesMax) return 0;
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) transfer.reply.headers.clear();  // an interim answer (100) came before
  transfer.whole_head = line.empty() || (transfer.whole_head && !line.starts_with("HTTP/"));
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  auto value = line.substr(colon + 1);
  while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
  transfer.reply.headers.emplace_back(lower(line.substr(0, colon)), value);
  return size;
}

bool header_is_clean(const std::pair<std::string, std::string>& header) {
  const auto& [name, value] = header;
  return !name.empty() && name.find_first_of(":\r\n \t") == std::string::npos &&
         value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
}

// What the transfer ran into, as the end of a sentence that begins with the host.
std::string what_happened(CURLcode code, CURL* easy, const char* detail) {
  long os_error = 0;
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
  const auto system = [&] { return os_error != 0 ? std::strerror(static_cast<int>(os_error)) : detail; };
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: return "cannot be reached: its name does not resolve";
    case CURLE_COULDNT_RESOLVE_PROXY: return "cannot be reached: the proxy's name does not resolve";
    case CURLE_COULDNT_CONNECT:
      return os_error == ECONNREFUSED ? "refused the connection" : fmt::format("cannot be reached: {}", system());
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      return os_error == ECONNRESET || os_error == EPIPE ? "reset the connection"
                                                         : fmt::format("broke the connection: {}", system());
    case CURLE_GOT_NOTHING: return "closed the connection without an answer";
    case CURLE_PARTIAL_FILE: return "closed the connection in the middle of its answer";
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY: return "did not answer in HTTP";
    case CURLE_WRITE_ERROR: return "answered with more than 64 KiB of headers";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR: return fmt::format("failed TLS: {}", *detail != '\0' ? detail : curl_easy_strerror(code));
    default: return fmt::format("failed: {}", curl_easy_strerror(code));
  }
}

}  // namespace

Result<void> parse_url(Transfer& transfer) {
  transfer.url.reset(curl_url());
  CHECK(transfer.url != nullptr);
  if (curl_url_set(transfer.url.get(), CURLUPART_URL, transfer.request.url.c_str(), 0) != CURLUE_OK) {
    return fail(ErrorKind::invalid, "the URL of a request cannot be read");
  }
  const auto port = url_part(transfer.url.get(), CURLUPART_PORT);
  transfer.host = url_part(transfer.url.get(), CURLUPART_HOST) + (port.empty() ? "" : ":" + port);
  const auto scheme = url_part(transfer.url.get(), CURLUPART_SCHEME);
  if (scheme == "http" || scheme == "https") return {};
  return fail(ErrorKind::invalid,
              fmt::format("{} is named with {}://, but only http and https can be spoken", transfer.host, scheme));
}

Result<void> add_headers(Transfer& transfer) {
  bool typed = false;
  const auto append = [&](const std::string& line) {
    auto* longer = curl_slist_append(transfer.headers.release(), line.c_str());
    CHECK(longer != nullptr);
    transfer.headers.reset(longer);
  };
  for (const auto& header : transfer.request.headers) {
    if (!header_is_clean(header)) {
      return fail(ErrorKind::invalid,
                  fmt::format("the request to {} has a header that is not one line of text", transfer.host));
    }
    typed = typed || lower(header.first) == "content-type";
    // curl reads "Name:" as "leave it out" and "Name;" as "send it empty".
    append(header.second.empty() ? header.first + ";" : header.first + ": " + header.second);
  }
  append("Expect:");  // else curl waits up to a second for servers that do not know 100-continue
  if (!typed) append("Content-Type:");
  return {};
}

void receive_into(Transfer& transfer) {
  CURL* easy = transfer.easy.get();
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.detail.data());
}

std::string what_happened(const Transfer& transfer, CURLcode code) {
  return transfer.host + " " + what_happened(code, transfer.easy.get(), transfer.detail.data());
}

Error timed_out(const Transfer& transfer) {
  curl_off_t connected = 0;
  if (transfer.easy) curl_easy_getinfo(transfer.easy.get(), CURLINFO_PRETRANSFER_TIME_T, &connected);
  const auto* what = connected > 0   ? "gave no complete answer"
                     : transfer.easy ? "could not be connected to"
                                     : "was busy with other requests and was not asked";
  return Error{ErrorKind::limit, fmt::format("{} {} within {}", transfer.host, what, spell(transfer.request.timeout))};
}

}  // namespace penstock::http
