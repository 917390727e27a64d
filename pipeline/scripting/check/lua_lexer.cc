#include "pipeline/scripting/check/lua_lexer.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

namespace penstock::scripting {
namespace {

constexpr std::array<std::string_view, 22> kKeywords{"and",      "break",  "do",   "else", "elseif", "end",  "false", "for",
                                                     "function", "goto",   "if",   "in",   "local",  "nil",  "not",   "or",
                                                     "repeat",   "return", "then", "true", "until",  "while"};
// Longest first.
constexpr std::array<std::string_view, 10> kLongSymbols{"...", "..", "==", "~=", "<=", ">=", "<<", ">>", "//", "::"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
unsigned hex_value(char c) {
  return is_digit(c) ? static_cast<unsigned>(c - '0') : static_cast<unsigned>((c | 0x20) - 'a' + 10);
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Result<std::vector<LuaToken>> run() {
    if (source_.starts_with('#')) skip_to(std::min(source_.find('\n'), source_.size()));
    while (good_) {
      skip_blanks();
      if (!good_) break;
      LuaToken token{LuaToken::Kind::end, {}, line_, column_};
      const std::size_t start = at_;
      if (at_ == source_.size()) {
        tokens_.push_back(token);
        return std::move(tokens_);
      }
      token.kind = read();
      token.raw = source_.substr(start, at_ - start);
      if (token.kind == LuaToken::Kind::name && std::ranges::find(kKeywords, token.raw) != kKeywords.end())
        token.kind = LuaToken::Kind::keyword;
      tokens_.push_back(token);
    }
    return fail(ErrorKind::invalid, fmt::format("{}:{}: {}", line_, column_, wrong_));
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

  void skip_to(std::size_t end) {
    for (; at_ < end; ++at_) {
      const auto byte = static_cast<unsigned char>(source_[at_]);
      if (byte == '\n') ++line_, column_ = 1;
      else if ((byte & 0xC0) != 0x80) ++column_;
    }
  }

  void refuse(std::string_view wrong) {
    good_ = false;
    wrong_ = wrong;
  }

  void skip_blanks() {
    while (at_ < source_.size() && good_) {
      const char c = source_[at_];
      if (c == ' ' || (c >= '\t' && c <= '\r')) skip_to(at_ + 1);
      else if (c == '-' && peek(1) == '-') comment();
      else return;
    }
  }

  void comment() {
    skip_to(at_ + 2);
    if (long_level() >= 0) long_text();
    else skip_to(std::min(source_.find('\n', at_), source_.size()));
  }

  // The number of '=' in a long bracket that opens here, or -1.
  int long_level() const {
    if (peek() != '[') return -1;
    std::size_t equals = 0;
    while (peek(1 + equals) == '=') ++equals;
    return peek(1 + equals) == '[' ? static_cast<int>(equals) : -1;
  }

  void long_text() {
    const std::string closing = "]" + std::string(static_cast<std::size_t>(long_level()), '=') + "]";
    const auto end = source_.find(closing, at_ + closing.size());
    if (end == std::string_view::npos) return refuse("a long bracket is not closed");
    skip_to(end + closing.size());
  }

  void quoted() {
    const char quote = source_[at_];
    std::size_t end = at_ + 1;
    for (; end < source_.size() && source_[end] != quote && source_[end] != '\n'; ++end) {
      if (source_[end] != '\\') continue;
      ++end;
      if (end < source_.size() && source_[end] == 'z')
        while (end + 1 < source_.size() &&
               (source_[end + 1] == ' ' || (source_[end + 1] >= '\t' && source_[end + 1] <= '\r')))
          ++end;
      else if (end + 1 < source_.size() && source_[end] == '\r' && source_[end + 1] == '\n') ++end;
    }
    if (end >= source_.size() || source_[end] != quote) return refuse("a text is not closed");
    skip_to(end + 1);
  }

  void number() {
    const bool hex = peek() == '0' && (peek(1) | 0x20) == 'x';
    std::size_t end = at_ + (hex ? 2 : 0);
    for (; end < source_.size(); ++end) {
      const char c = source_[end];
      if (is_hex(c) || c == '.' || is_letter(c)) continue;
      const char before = static_cast<char>(source_[end - 1] | 0x20);
      if ((c == '+' || c == '-') && before == (hex ? 'p' : 'e')) continue;
      break;
    }
    skip_to(end);
  }

  LuaToken::Kind read() {
    const char c = source_[at_];
    if (is_letter(c)) {
      std::size_t end = at_;
      while (end < source_.size() && (is_letter(source_[end]) || is_digit(source_[end]))) ++end;
      skip_to(end);
      return LuaToken::Kind::name;
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number(), LuaToken::Kind::number;
    if (c == '"' || c == '\'') return quoted(), LuaToken::Kind::text;
    if (long_level() >= 0) return long_text(), LuaToken::Kind::text;
    const auto symbol =
        std::ranges::find_if(kLongSymbols, [this](auto each) { return source_.substr(at_).starts_with(each); });
    if (symbol != kLongSymbols.end()) skip_to(at_ + symbol->size());
    else if (std::string_view("+-*/%^#&~|<>=(){}[];:,.").contains(c)) skip_to(at_ + 1);
    else refuse("a character that Lua does not know");
    return LuaToken::Kind::symbol;
  }

  std::string_view source_;
  std::size_t at_ = 0;
  int line_ = 1;
  int column_ = 1;
  bool good_ = true;
  std::string_view wrong_;
  std::vector<LuaToken> tokens_;
};

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
    return;
  }
  char bytes[6];
  int count = 0;
  std::uint32_t first_max = 0x3F;
  do {
    bytes[count++] = static_cast<char>(0x80 | (code & 0x3F));
    code >>= 6;
    first_max >>= 1;
  } while (code > first_max);
  out.push_back(static_cast<char>((~first_max << 1) | code));
  while (count > 0) out.push_back(bytes[--count]);
}

// The escape after the backslash at `at`; moves past it.
void append_escape(std::string_view raw, std::size_t& at, std::string& out) {
  constexpr std::string_view kNames = "abfnrtv\\\"'";
  constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\\"'";
  const char c = raw[at];
  if (const auto known = kNames.find(c); known != std::string_view::npos) {
    out.push_back(kValues[known]);
    ++at;
  } else if (c == 'x' && at + 2 < raw.size()) {
    out.push_back(static_cast<char>(hex_value(raw[at + 1]) << 4 | hex_value(raw[at + 2])));
    at += 3;
  } else if (c == 'u') {
    std::uint32_t code = 0;
    for (at += 2; at < raw.size() && raw[at] != '}'; ++at) code = code << 4 | hex_value(raw[at]);
    append_utf8(out, code);
    ++at;
  } else if (is_digit(c)) {
    unsigned code = 0;
    for (int i = 0; i < 3 && at < raw.size() && is_digit(raw[at]); ++i, ++at)
      code = code * 10 + static_cast<unsigned>(raw[at] - '0');
    out.push_back(static_cast<char>(code));
  } else if (c == 'z') {
    at = std::min(raw.find_first_not_of(" \t\n\v\f\r", at + 1), raw.size());
  } else {  // a line end
    out.push_back('\n');
    at += raw.substr(at).starts_with("\r\n") ? 2 : 1;
  }
}

}  // namespace

Result<std::vector<LuaToken>> lua_tokens(std::string_view source) { return Lexer(source).run(); }

std::string lua_text(std::string_view raw) {
  if (raw.starts_with('[')) {
    const std::size_t bracket = raw.find('[', 1) + 1;
    std::string_view inside = raw.substr(bracket, raw.size() - 2 * bracket);
    if (inside.starts_with("\r\n")) inside.remove_prefix(1);
    if (inside.starts_with('\n')) inside.remove_prefix(1);
    return std::string(inside);
  }
  const std::string_view inside = raw.substr(1, raw.size() - 2);
  std::string out;
  for (std::size_t at = 0; at < inside.size();) {
    if (inside[at] != '\\') out.push_back(inside[at++]);
    else append_escape(inside, ++at, out);
  }
  return out;
}

}  // namespace penstock::scripting
