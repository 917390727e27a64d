# One target per folder. `room` makes the library, `room_test` its doctest program, `connector` a room that registers itself.
#
#   room(base SOURCES result.cc LINKS fmt::fmt)             → library `base`
#   room_test(base SOURCES result_test.cc LINKS ...)        → program `base_test`, one ctest entry, links `base`
#   connector(SOURCES webhook_destination.cc LINKS ...)     → in connectors/destinations/webhook: library `destinations_webhook`
#   links_of(OUT file.cc)                                   → the libraries that its first line names: `// links: log base`

function(room NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(${NAME} STATIC ${ARG_SOURCES})
  target_link_libraries(${NAME} PUBLIC penstock_flags ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
endfunction()

function(room_test NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${NAME}_test ${ARG_SOURCES})
  set(own "")
  if(TARGET ${NAME})
    set(own ${NAME})
  endif()
  target_link_libraries(${NAME}_test PRIVATE doctest_main ${own} ${ARG_LINKS})
  add_test(NAME ${NAME} COMMAND ${NAME}_test WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${NAME} PROPERTIES TIMEOUT 120 LABELS unit)
endfunction()

# The folder says what it is: connectors/<kind>/<name>. It must define penstock::<kind>::<name>::register_in(Registry&).
function(connector)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  get_filename_component(name ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  get_filename_component(kind_dir ${CMAKE_CURRENT_SOURCE_DIR} DIRECTORY)
  get_filename_component(kind ${kind_dir} NAME)
  room(${kind}_${name} SOURCES ${ARG_SOURCES} LINKS base event ports config registry ${ARG_LINKS}
       PRIVATE_LINKS ${ARG_PRIVATE_LINKS})
  set_property(GLOBAL APPEND PROPERTY PENSTOCK_CONNECTORS "${kind}::${name}")
endfunction()

# Writes registered_connectors.cc: a plain function that calls each connector's register_in, in name order.
function(connectors_library NAME)
  get_property(connectors GLOBAL PROPERTY PENSTOCK_CONNECTORS)
  list(SORT connectors)
  set(declarations "")
  set(calls "")
  set(targets "")
  foreach(c IN LISTS connectors)
    string(APPEND declarations "namespace ${c} { void register_in(Registry& registry); }\n")
    string(APPEND calls "  ${c}::register_in(registry);\n")
    string(REPLACE "::" "_" target ${c})
    list(APPEND targets ${target})
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/registered_connectors.cc CONTENT
"// Generated from the folders under connectors/; do not edit.
#include \"pipeline/registry/registered_connectors.h\"

namespace penstock {
@declarations@
void register_connectors(Registry& registry) {
@calls@}
}  // namespace penstock
" @ONLY)
  add_library(${NAME} STATIC ${CMAKE_BINARY_DIR}/generated/registered_connectors.cc)
  target_link_libraries(${NAME} PUBLIC registry ${targets})
endfunction()

# A fuzz target or a benchmark is one file that says on its first line what it links.
function(links_of OUT FILE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${FILE})
  file(STRINGS ${FILE} first LIMIT_COUNT 1)
  if(NOT first MATCHES "^// links: *(.*)$")
    message(FATAL_ERROR "${FILE}: the first line must name what it links, as in '// links: base event'")
  endif()
  separate_arguments(links UNIX_COMMAND "${CMAKE_MATCH_1}")
  set(${OUT} ${links} PARENT_SCOPE)
endfunction()
