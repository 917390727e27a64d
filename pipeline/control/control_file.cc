#include "pipeline/control/control_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "pipeline/base/check.h"

namespace penstock::control {

std::string control_file_path(const std::string& data) { return data + "/control.json"; }

Result<void> write_control_file(const std::string& data, const ControlAddress& address) {
  const std::string path = control_file_path(data);
  const std::string draft = path + ".part";
  const std::string text =
      boost::json::serialize(boost::json::object{{"url", address.url}, {"token", address.token}}) + "\n";
  // A new file each time: an old one may have had other permissions.
  ::unlink(draft.c_str());
  const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno("create " + draft, errno);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  ::close(fd);
  if (!written) return fail_errno("write " + draft, error);
  if (std::rename(draft.c_str(), path.c_str()) != 0) return fail_errno("rename " + draft, errno);
  return {};
}

Result<ControlAddress> read_control_file(const std::string& data) {
  const std::string path = control_file_path(data);
  std::ifstream in(path);
  if (!in) {
    return fail(ErrorKind::not_found,
                fmt::format("there is no {}: no penstock runs on this data folder. Start one with `penstock run`, or name "
                            "the folder with --data, or the address with --url and --token.",
                            path));
  }
  std::stringstream text;
  text << in.rdbuf();
  boost::system::error_code error;
  const auto parsed = boost::json::parse(text.str(), error);
  const auto* object = error ? nullptr : parsed.if_object();
  const auto* url = object == nullptr ? nullptr : object->if_contains("url");
  const auto* token = object == nullptr ? nullptr : object->if_contains("token");
  if (url == nullptr || token == nullptr || !url->is_string() || !token->is_string()) {
    return fail(ErrorKind::corrupt, fmt::format("{} is damaged; restart penstock to write it anew", path));
  }
  return ControlAddress{std::string(url->as_string()), std::string(token->as_string())};
}

void remove_control_file(const std::string& data) { ::unlink(control_file_path(data).c_str()); }

std::string random_token() {
  std::array<unsigned char, 16> bytes{};
  CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
  std::string token;
  for (const auto byte : bytes) token += fmt::format("{:02x}", byte);
  return token;
}

}  // namespace penstock::control
