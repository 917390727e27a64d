#pragma once
// What `<` and `<=` of two strings cost a script. Lua compares them within one instruction, and a text with a zero byte piece by
// piece: one call of strcoll for each piece, some 12 ns, so a text of zero bytes costs a hundred times what one of letters does,
// and no hook fires meanwhile. So strcoll, the one place that is reached, is ours: it pays from the limits of the state that
// runs on this thread and ends the comparison when they are used up. Its order is that of the bytes, whatever the locale.

#include <string_view>

struct lua_State;

namespace penstock::scripting {

class Vm;

// While it lives, `vm` pays for what Lua's instructions compare on this thread.
class PaysForOrder {
 public:
  explicit PaysForOrder(Vm& vm);
  ~PaysForOrder();
  PaysForOrder(const PaysForOrder&) = delete;
  PaysForOrder& operator=(const PaysForOrder&) = delete;

 private:
  Vm* before_;
};

// For C functions: the same order, at the cost of comparing memory. Raises when the limits are used up.
bool is_less_text(lua_State* running, std::string_view a, std::string_view b);

}  // namespace penstock::scripting
