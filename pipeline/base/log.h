#pragma once
// What the program tells its operator. Text on a terminal, one JSON object a line otherwise; to standard error.
//
//   log_info("delivery", "destination crm is unavailable: 503 from crm.example");
//
// As text a message is one line, whatever others have put into it (printable.h). Thread-safe. A message is a full sentence that names what, where and what to do; secrets never reach it.

#include <cstdint>
#include <string_view>

#include <fmt/core.h>

namespace penstock {

enum class LogLevel : std::uint8_t { debug, info, warning, error };
enum class LogFormat : std::uint8_t { automatic, text, json };

// Call once, early in main; before it, messages of level info and up go out as text.
void configure_log(LogLevel minimum, LogFormat format);
// From now on nothing is told: for a simulation, which makes thousands of outages on purpose.
void silence_log();

bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view component, std::string_view message);

template <class... Args>
void log_at(LogLevel level, std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_line(level, component, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::info, component, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warning(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::warning, component, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_error(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::error, component, format, std::forward<Args>(args)...);
}

}  // namespace penstock
