#pragma once
// What editors need to complete and check `event` and `app`: a definition file for LuaLS (lua-language-server), made from
// the declarations of the functions.

#include <string>

namespace penstock::scripting {

std::string lua_definitions();

}  // namespace penstock::scripting
