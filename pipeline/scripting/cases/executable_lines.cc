#include "pipeline/scripting/cases/executable_lines.h"

#include <cstdint>
#include <cstring>
#include <lua.hpp>
#include <memory>
#include <set>

#include <fmt/format.h>

namespace penstock::scripting {
namespace {

// Lua 5.4's instructions: seven bits of opcode, then the operands (lopcodes.h). Only those that end or branch matter here.
enum Op : std::uint32_t {
  kLoadFalseSkip = 6,
  kJump = 56,
  kEq = 57,
  kTestSet = 67,
  kTailCall = 69,
  kReturn = 70,
  kReturn1 = 72,
  kForLoop = 73,
  kForPrep = 74,
  kTForPrep = 75,
  kTForLoop = 77,
  kVarArgPrep = 81,
};

struct Function {
  int line = 0;  // where it is defined; 0 for a file
  std::vector<std::uint32_t> code;
  std::vector<int> lines;  // of each instruction
};

// Reads what lua_dump wrote. Every read is checked: a truncated dump is an error, not a crash.
class DumpReader {
 public:
  explicit DumpReader(std::string_view dump) : rest_(dump) {}

  bool header() {
    // Signature, version 5.4, format 0, data that a text-mode copy would damage, sizes of instruction, integer and number.
    constexpr std::string_view kStart("\x1bLua\x54\x00\x19\x93\r\n\x1a\n\x04\x08\x08", 15);
    if (take(kStart.size()) != kStart) return false;
    std::int64_t integer = 0;
    double number = 0;
    copy(&integer, sizeof integer);
    copy(&number, sizeof number);
    byte();  // upvalues of the main function
    return good_ && integer == 0x5678 && number == 370.5;
  }

  // The function and all inside it.
  void function(std::vector<Function>& found, int depth = 0) {
    if (depth > kDepthMax) good_ = false;
    if (!good_) return;
    const std::size_t own = found.size();
    found.emplace_back();
    text();  // source
    found[own].line = static_cast<int>(number());
    number();  // its last line
    take(3);  // parameters, vararg, stack
    const std::size_t instructions = number();
    for (std::size_t i = 0; good_ && i < instructions; ++i) copy(&found[own].code.emplace_back(), sizeof(std::uint32_t));
    for (std::size_t left = number(); good_ && left > 0; --left) constant();
    take(3 * number());  // upvalues
    for (std::size_t left = number(); good_ && left > 0; --left) function(found, depth + 1);
    lines(found[own]);
    for (std::size_t left = number(); good_ && left > 0; --left) text(), number(), number();  // local variables
    for (std::size_t left = number(); good_ && left > 0; --left) text();  // names of upvalues
  }

  bool all_read() const { return good_ && rest_.empty(); }

 private:
  static constexpr int kDepthMax = 220;  // LUAI_MAXCCALLS is 200
  static constexpr std::int8_t kAbsolute = -0x80;

  std::string_view take(std::size_t size) {
    if (size > rest_.size()) good_ = false;
    if (!good_) return {};
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  void copy(void* to, std::size_t size) {
    if (const std::string_view bytes = take(size); good_) std::memcpy(to, bytes.data(), size);
  }
  std::uint8_t byte() {
    std::uint8_t value = 0;
    copy(&value, 1);
    return value;
  }
  // Seven bits a byte, the highest first; the last byte has the high bit.
  std::size_t number() {
    std::size_t value = 0;
    for (std::uint8_t next = 0; good_ && (next & 0x80) == 0;) {
      next = byte();
      value = value << 7 | (next & 0x7F);
    }
    return good_ ? value : 0;
  }
  void text() {
    if (const std::size_t size = number(); size > 0) take(size - 1);
  }
  void constant() {
    switch (byte()) {
      case kFloat:
      case kInteger: take(8); break;
      case kShortText:
      case kLongText: text(); break;
      default: break;  // nil, false, true
    }
  }
  // Each instruction's distance from the one before; where it does not fit, the line itself is in a second list.
  void lines(Function& function) {
    const std::string_view steps = take(number());
    std::vector<int> absolute;
    for (std::size_t left = number(); good_ && left > 0; --left) {
      number();
      absolute.push_back(static_cast<int>(number()));
    }
    int line = function.line;
    std::size_t next = 0;
    for (const char raw : steps) {
      const auto step = static_cast<std::int8_t>(raw);
      if (step != kAbsolute) line += step;
      else if (next < absolute.size()) line = absolute[next++];
      else good_ = false;
      function.lines.push_back(line);
    }
    if (function.lines.size() != function.code.size()) good_ = false;
  }

  static constexpr std::uint8_t kInteger = LUA_TNUMBER | 0 << 4;
  static constexpr std::uint8_t kFloat = LUA_TNUMBER | 1 << 4;
  static constexpr std::uint8_t kShortText = LUA_TSTRING | 0 << 4;
  static constexpr std::uint8_t kLongText = LUA_TSTRING | 1 << 4;

  std::string_view rest_;
  bool good_ = true;
};

// Where the instruction at `at` may lead.
std::vector<std::size_t> successors(const Function& function, std::size_t at) {
  const std::uint32_t instruction = function.code[at];
  const std::uint32_t op = instruction & 0x7F;
  const std::size_t wide = instruction >> 15;  // Bx, of loops
  constexpr std::ptrdiff_t kJumpZero = 0xFFFFFF;
  if (op == kJump) return {at + 1 + static_cast<std::size_t>(static_cast<std::ptrdiff_t>(instruction >> 7) - kJumpZero)};
  if (op == kLoadFalseSkip) return {at + 2};
  if (op >= kEq && op <= kTestSet) return {at + 1, at + 2};
  if (op >= kReturn && op <= kReturn1) return {};
  if (op == kForLoop || op == kTForLoop) return {at + 1, at + 1 - wide};
  if (op == kForPrep) return {at + 1, at + 2 + wide};
  if (op == kTForPrep) return {at + 1 + wide};
  return {at + 1};
}

void add_lines(const Function& function, std::set<int>& lines) {
  std::vector<bool> seen(function.code.size());
  std::vector<std::size_t> open{0};
  while (!open.empty()) {
    const std::size_t at = open.back();
    open.pop_back();
    if (at >= seen.size() || seen[at]) continue;
    seen[at] = true;
    if ((function.code[at] & 0x7F) != kVarArgPrep) lines.insert(function.lines[at]);
    for (const std::size_t next : successors(function, at)) open.push_back(next);
  }
}

int append(lua_State*, const void* bytes, std::size_t size, void* to) {
  static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
  return 0;
}

}  // namespace

Result<std::vector<int>> executable_lines(std::string_view text, const std::string& chunk) {
  const std::unique_ptr<lua_State, decltype(&lua_close)> state(luaL_newstate(), &lua_close);
  if (state == nullptr) return fail(ErrorKind::limit, "no memory for a Lua state");
  if (luaL_loadbufferx(state.get(), text.data(), text.size(), ("=" + chunk).c_str(), "t") != LUA_OK)
    return fail(ErrorKind::invalid, lua_tostring(state.get(), -1));
  std::string dump;
  lua_dump(state.get(), append, &dump, 0);
  DumpReader reader(dump);
  std::vector<Function> functions;
  if (!reader.header())
    return fail(
        ErrorKind::invalid,
        fmt::format("{}: line coverage reads the compiled form of Lua 5.4, and this is that of {}", chunk, LUA_RELEASE));
  reader.function(functions);
  if (!reader.all_read()) return fail(ErrorKind::invalid, fmt::format("{}: its compiled form is not understood", chunk));
  std::set<int> lines;
  for (const Function& function : functions) add_lines(function, lines);
  return std::vector<int>(lines.begin(), lines.end());
}

}  // namespace penstock::scripting
