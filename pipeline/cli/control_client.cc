#include "pipeline/cli/control_client.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <filesystem>
#include <future>

#include "pipeline/http/curl_client.h"

namespace penstock::cli {
namespace {

// As `validate` says it: what is wrong with a file is the same whoever reads it.
Error unreadable(const std::string& file, const config::Problems& problems) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    return {ErrorKind::not_found,
            fmt::format("cannot read {}; name the data folder with --data, or the file with --file", file)};
  }
  std::string message =
      "the configuration cannot be read, and only it says where the data folder is; mend it, or say --data:";
  for (const auto& problem : problems) message += "\n" + problem.to_string();
  return {ErrorKind::invalid, std::move(message)};
}

// `data` of the file, without checking the rest: a running pipeline can be asked even when its file is being edited.
Result<std::string> data_folder_of(const std::string& file, const topology::PlanContext& context) {
  const auto document = config::load_document(file, context.lookup);
  if (!document.readable) return fail(unreadable(file, document.problems));
  const auto* data = document.root.find("data");
  const std::string folder = data == nullptr ? "./data" : data->text;
  return (std::filesystem::path(file).parent_path() / folder).lexically_normal().string();
}

Error error_of(int status, const std::string& body) {
  boost::system::error_code failed;
  const auto parsed = boost::json::parse(body, failed);
  std::string message = fmt::format("the control API answered {}", status);
  if (const auto* object = failed ? nullptr : parsed.if_object()) {
    if (const auto* text = object->if_contains("error"); text != nullptr && text->is_string()) message = text->as_string();
    if (const auto* problems = object->if_contains("problems"); problems != nullptr && problems->is_array()) {
      for (const auto& problem : problems->as_array()) message += "\n" + std::string(problem.as_string());
    }
  }
  // 401: another process answers at the address, or the token is wrong. Nothing about what was asked for.
  if (status == 401 || status == 403) return {ErrorKind::io, std::move(message)};
  if (status == 409) return {ErrorKind::conflict, std::move(message)};
  if (status >= 500) return {ErrorKind::unavailable, std::move(message)};
  return {status == 404 ? ErrorKind::not_found : ErrorKind::invalid, std::move(message)};
}

}  // namespace

Result<std::string> data_folder(const Target& target, const topology::PlanContext& context) {
  return target.data.empty() ? data_folder_of(target.file, context) : target.data;
}

Result<ControlClient> ControlClient::find(const Target& target, const topology::PlanContext& context) {
  if (!target.url.empty()) return ControlClient({target.url, target.token});
  TRY_ASSIGN(const std::string data, data_folder(target, context));
  TRY_ASSIGN(auto address, control::read_control_file(data));
  return ControlClient(std::move(address));
}

Result<std::string> ControlClient::ask(const std::string& method, const std::string& path, std::string body,
                                       Duration patience) const {
  TRY_ASSIGN(const auto client, http::CurlClient::start());
  HttpRequest request;
  request.method = method;
  request.url = address_.url + path;
  request.headers = {{"Authorization", "Bearer " + address_.token}};
  request.body = std::move(body);
  request.timeout = patience;
  request.answer_max = 256_MiB;
  std::promise<Result<HttpReply>> promise;
  client->send(std::move(request), [&](Result<HttpReply> reply) { promise.set_value(std::move(reply)); });
  auto reply = promise.get_future().get();
  if (!reply) {
    return fail(std::move(reply).error().context("no penstock answers at " + address_.url +
                                                 " (it may have been killed; start it with `penstock run`)"));
  }
  if (reply->status < 200 || reply->status > 299) return fail(error_of(reply->status, reply->body));
  return std::move(reply->body);
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                       c == '.' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

}  // namespace penstock::cli
