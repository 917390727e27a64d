# Lua itself, as a target `lua`: Lua.org's release, which `./dev setup` puts into build/lua, compiled as C++ so that errors unwind
# as exceptions. Debian 12 has 5.4.4, where a script ends the process by an ordinary `__concat` that makes the stack grow
# (luaV_concat keeps a place in the old one), and a collection in an emergency may take a table that is being made.
set(PENSTOCK_LUA ${PROJECT_SOURCE_DIR}/build/lua CACHE PATH "The unpacked release of Lua, 5.4.7 or newer")
if(NOT EXISTS ${PENSTOCK_LUA}/src/lua.h)
  message(FATAL_ERROR "there is no Lua in ${PENSTOCK_LUA}: run ./dev setup, which brings it")
endif()

file(GLOB lua_sources ${PENSTOCK_LUA}/src/*.c)
list(FILTER lua_sources EXCLUDE REGEX "/(lua|luac)\\.c$")
set_source_files_properties(${lua_sources} PROPERTIES LANGUAGE CXX)
add_library(lua STATIC ${lua_sources})
target_include_directories(lua SYSTEM PUBLIC ${PENSTOCK_LUA}/src)
# lua.hpp, which that header includes first, gives the functions of the API C linkage, as everybody expects. Without sanitizers and
# optimised in every build, as a package of it would be: limits of instructions and of time are tested on it.
target_compile_options(lua PRIVATE -include ${PROJECT_SOURCE_DIR}/pipeline/scripting/vm/lua_throws.h -w -O2 -march=x86-64-v2)
target_compile_definitions(lua PRIVATE LUA_CORE= LUA_LIB= LUA_USE_LINUX LUA_COMPAT_5_3)
target_link_libraries(lua PUBLIC ${CMAKE_DL_LIBS} m)
