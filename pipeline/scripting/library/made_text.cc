#include "pipeline/scripting/library/made_text.h"

#include <algorithm>
#include <lua.hpp>

#include "pipeline/scripting/library/url_text.h"
#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

constexpr std::size_t kCopiedPerStep = 16;
constexpr std::size_t kCodedPerStep = 2;
constexpr std::size_t kPieceBytes = 4096;  // between two looks at what is left

}  // namespace

void MadeText::append(std::string_view text) {
  while (!text.empty()) {
    const std::size_t before = text_.size();
    const std::string_view piece = text.substr(0, kBytesMax / 16);
    text_ += piece;
    text.remove_prefix(piece.size());
    pay(before, kCopiedPerStep);
  }
}

void MadeText::append_encoded(std::string_view text) {
  append_coded(text, [](std::string& out, std::string_view piece) { scripting::append_encoded(out, piece); });
}

void MadeText::append_kept(std::string_view text, std::string_view ends) {
  append_coded(text, [&](std::string& out, std::string_view piece) { scripting::append_kept(out, piece, ends); });
}

// Each byte is coded by itself, so pieces are coded as the whole would be.
template <class Write>
void MadeText::append_coded(std::string_view text, Write&& write) {
  while (!text.empty()) {
    const std::size_t before = text_.size();
    const std::string_view piece = text.substr(0, kPieceBytes);
    write(text_, piece);
    text.remove_prefix(piece.size());
    pay(before, kCodedPerStep);
  }
}

void MadeText::push() const { push_text(state_, text_); }

void MadeText::pay(std::size_t before, std::size_t bytes_per_step) {
  Vm& vm = Vm::of(state_);
  vm.charge(state_, 1 + (text_.size() - before) / bytes_per_step);
  vm.demand_memory(state_, text_.size());
  if (text_.size() > kBytesMax) luaL_error(state_, "%s: a text larger than 16 MiB", function_);
}

}  // namespace penstock::scripting
