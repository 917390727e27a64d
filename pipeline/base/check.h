#pragma once
// CHECK(condition): a bug of ours, never bad input. Prints where and stops the process; the log makes that safe.
// Included by .cc files only: tests have doctest's macro of the same name.

namespace penstock {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}

#define CHECK(condition) (static_cast<bool>(condition) ? void() : ::penstock::check_failed(#condition, __FILE__, __LINE__))
