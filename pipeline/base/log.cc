#include "pipeline/base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "pipeline/base/json_string.h"
#include "pipeline/base/printable.h"

namespace penstock {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::atomic<bool> json_lines{false};

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("penstock", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%H:%M:%S.%e %^%-5l%$ %v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

}  // namespace

void configure_log(LogLevel minimum, LogFormat format) {
  json_lines = format == LogFormat::json || (format == LogFormat::automatic && ::isatty(STDERR_FILENO) == 0);
  logger().set_level(spdlog_level(minimum));
  if (json_lines) logger().set_pattern("%v");
}

void silence_log() { logger().set_level(spdlog::level::off); }

bool log_enabled(LogLevel level) { return logger().should_log(spdlog_level(level)); }

void log_line(LogLevel level, std::string_view component, std::string_view message) {
  if (!json_lines) {
    logger().log(spdlog_level(level), "{}: {}", printable(component), printable(message));
    return;
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::string line = fmt::format(R"({{"time_ms":{},"level":"{}","component":)",
                                 std::chrono::duration_cast<std::chrono::milliseconds>(now).count(),
                                 spdlog::level::to_string_view(spdlog_level(level)));
  append_json_string(line, component);
  line += R"(,"message":)";
  append_json_string(line, message);
  line.push_back('}');
  logger().log(spdlog_level(level), "{}", line);
}

}  // namespace penstock
